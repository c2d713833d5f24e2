"""Full screens: the dashboard, its help, and the choice among sessions."""
