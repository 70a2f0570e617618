"""The server of one session, and the log, pages and metrics that both servers share."""
