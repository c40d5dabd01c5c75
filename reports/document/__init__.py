"""The blocks of a page, and their writers for HTML, Markdown and LaTeX."""
