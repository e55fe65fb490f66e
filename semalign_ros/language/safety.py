def judgment_of_sentences(s): return None
