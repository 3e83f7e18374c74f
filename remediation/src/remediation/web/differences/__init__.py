"""What changed between two days, or between two snapshots of a source; what comes back; how long fixing takes."""
