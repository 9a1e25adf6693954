"""Score: video without labels and a checkpoint in; rarity of every frame, alarms, events and pictures out."""
