"""What the tests stand on: servers, databases, live processes, a browser. No test and no rule."""
