"""Report of all experiments: claims with computed verdicts and one section per experiment."""
