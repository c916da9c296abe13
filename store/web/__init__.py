"""The web pages: rendering, texts and style; every rule they show lives in the packages below."""
