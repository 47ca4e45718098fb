"""The report of all experiments: claims with computed verdicts, a section for each experiment, as HTML and Markdown."""
