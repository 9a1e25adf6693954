"""What a person sees and types: commands, progress, tables."""
