"""Albums, images, jobs and the event log. Only the API and the operator's command line may import it."""
