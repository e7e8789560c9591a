"""What is written for people and other programs: tables, annotation tools, films, pages."""
