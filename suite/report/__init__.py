"""What a person reads: site, figures, tables, data sheets, the README's results."""
