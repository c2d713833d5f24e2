"""The terminal app of wnt-tui: it reads sessions, draws them, and sends commands. It never imports torch."""
