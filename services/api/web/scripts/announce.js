// Says what happened to those who listen rather than look. Many things at once are said once.
const region = document.getElementById("announcements");
let timer = 0;

export function announce(sentence) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    region.textContent = sentence;
  }, 250);
}
