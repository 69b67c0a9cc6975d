"""The same prompts and seeds, drawn several ways and measured.

compare         arms, records, and drawing them
measures        what is said of each image
summary         a comparison in words and as data
contact_sheet   as one picture
report          as one page
"""
