from data_prep.tokenizer.sample import Sample


def draw(texts, budget):
    sample = Sample(budget)
    for text in texts:
        sample.add(text)
    return sample


def test_everything_is_kept_within_the_budget():
    texts = [f"{i}" for i in range(100)]
    sample = draw(texts, 10_000)
    assert sample.texts() == texts and sample.size == 190 and sample.seen == 100


def test_a_sample_is_about_the_budget_and_even_over_all_documents():
    texts = [f"{i:05d}" + "ş" * (i % 40) for i in range(20_000)]
    sample = draw(texts, 100_000)
    kept = sample.texts()
    assert kept == sorted(kept) and sample.size == sum(len(text.encode()) for text in kept)
    assert 100_000 <= sample.size < 100_200
    tenths = [sum(int(text[:5]) // 2000 == tenth for text in kept) for tenth in range(10)]
    assert min(tenths) > 0.75 * len(kept) / 10
    assert draw(texts, 100_000).texts() == kept


def test_one_document_larger_than_the_budget_is_kept():
    assert len(draw(["x" * 1000, "y" * 1000], 10).texts()) == 1
