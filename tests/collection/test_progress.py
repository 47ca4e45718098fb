from jax_s4rl.collection import _progress


def test_nothing_is_printed_without_a_terminal(capfd):
    with _progress.show("recording", 3) as advance:
        for _ in range(3):
            advance(1, note="return 1.0")
    out, err = capfd.readouterr()
    assert out.strip() == ""
    assert err.strip() == ""


def test_a_terminal_shows_what_is_done(capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with _progress.show("recording", 3) as advance:
        advance(2, note="return 1.0")
    err = capfd.readouterr().err
    assert "recording" in err
    assert "return 1.0" in err
