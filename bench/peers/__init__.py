"""What people would pick instead of Ragsite, each as its documentation says, behind a small HTTP server of its own."""
