"""The stage that shows evaluations: a page, plots, and several of them side by side."""
