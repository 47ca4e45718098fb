"""Questions have words, and find both of their sides in the committed rows."""

from experiments.report import catalog, choices, document, scores

# Questions of a script whose parts about them have no rows yet.
UNFINISHED = {"long_twins"}


def test_names_and_titles_are_unique():
    assert len({each.name for each in choices.QUESTIONS}) == len(choices.QUESTIONS)
    assert len({each.title for each in choices.QUESTIONS}) == len(choices.QUESTIONS)


def test_every_question_has_words_and_a_file_that_is_read():
    for question in choices.QUESTIONS:
        assert document.text("questions", question.name)
        assert question.file in catalog.files()


def test_questions_find_both_sides_in_the_rows():
    rows = catalog.read()
    for question in choices.questions(rows):
        if rows[question.file] and question.name not in UNFINISHED:
            assert scores.sides(question), question.name
