"""What there is to watch: titles, people, offers, and the pages, lists and posters made from them."""
