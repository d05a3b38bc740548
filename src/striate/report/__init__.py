"""From values to the report: text, tables and charts."""
