"""Keys, envelopes and whom the user trusts; another implementation verifies what ours signs."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from solutions import small_archive

from cmx.cli.main import main
from cmx.errors import CmxError, StoreError, UsageError
from cmx.settings import Settings
from cmx.signing.envelope import Envelope, signed, statement
from cmx.signing.keys import Keyring
from cmx.signing.trust import Verdict, verdict
from cmx.solution import Archive, check
from cmx.solution import sign as sign_solution
from cmx.solution import verdict as solution_verdict
from cmx.solution.archive import write_signed

KIND = "urn:test:v1"
SUBJECTS = {"manifest.json": "ab" * 32}
CLAIM = {"name": "photos", "version": "1.0.0"}
RSA = """-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL6pBOg8N4cNR8EzM2cJ0o3VgGQ0cqZJ
4gGUvUj7WKlwY3pPpMCT0cWQxVZ4bpLEgQXmSpYVUPM4xzzcUlLfHJ8CAwEAAQ==
-----END PUBLIC KEY-----
"""


def sign(settings: Settings, name: str, subjects: dict[str, str] = SUBJECTS, kind: str = KIND) -> bytes:
    return signed(statement(subjects, kind, CLAIM), *Keyring(settings).private(name))


def judged(envelope: bytes | None, settings: Settings, subjects: dict[str, str] = SUBJECTS) -> Verdict:
    return verdict(envelope, subjects, KIND, settings, source="signature.dsse.json")


@pytest.fixture
def alice(tmp_path: Path) -> Settings:
    """The home of somebody who signs."""
    settings = Settings(tmp_path / "alice")
    Keyring(settings).new("alice")
    return settings


def public(settings: Settings, name: str) -> bytes:
    return Keyring(settings).find(name).pem.encode()


# What others make of it.


def test_securesystemslib_verifies_our_envelope(alice: Settings) -> None:
    from securesystemslib.dsse import Envelope as Theirs
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    key = Keyring(alice).find("alice")
    theirs = SSlibKey(key.id, "ed25519", "ed25519", {"public": key.public})
    envelope = Theirs.from_dict(json.loads(sign(alice, "alice")))
    assert envelope.verify([theirs], 1) == {key.id: theirs}
    envelope.payload += b" "
    with pytest.raises(VerificationError):
        envelope.verify([theirs], 1)


def test_what_securesystemslib_signs_is_verified_by_ours(settings: Settings, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from securesystemslib.dsse import Envelope as Theirs
    from securesystemslib.signer import CryptoSigner

    signer = CryptoSigner.generate_ed25519()
    raw = bytes.fromhex(signer.public_key.keyval["public"])
    pem = signer._private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = Keyring(settings).trust(pem, "them", source="them.pem")
    assert key.public == raw.hex()
    signer.public_key.keyid = key.id
    envelope = Theirs(statement(SUBJECTS, KIND, CLAIM), "application/vnd.in-toto+json", {})
    envelope.sign(signer)
    assert judged(json.dumps(envelope.to_dict()).encode(), settings).signer == "them"


def test_the_same_files_and_key_give_the_same_bytes(alice: Settings) -> None:
    assert sign(alice, "alice") == sign(alice, "alice")


def test_the_payload_is_an_in_toto_statement(alice: Settings) -> None:
    assert Envelope.parse(sign(alice, "alice"), "x").statement("x") == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "manifest.json", "digest": {"sha256": "ab" * 32}}],
        "predicateType": KIND,
        "predicate": CLAIM,
    }


# Verdicts.


def test_what_is_not_signed_is_unsigned(settings: Settings) -> None:
    assert judged(None, settings).word == "unsigned"


def test_ones_own_signature_is_trusted(alice: Settings) -> None:
    found = judged(sign(alice, "alice"), alice)
    assert (found.word, found.signer, found.trusted) == ("trusted", "alice", True)


def test_a_strangers_signature_is_unknown_until_the_key_is_trusted(alice: Settings, settings: Settings) -> None:
    envelope, key = sign(alice, "alice"), Keyring(alice).find("alice")
    found = judged(envelope, settings)
    assert (found.word, found.signer, found.key, found.trusted) == ("unknown", "", key.id, False)
    Keyring(settings).trust(public(alice, "alice"), "her", source="alice.pem")
    assert judged(envelope, settings).text == f"signed by her (key {key.id[:16]}), whom you trust"


def test_a_revoked_key_is_worth_nothing_whenever_it_signed(alice: Settings, settings: Settings) -> None:
    envelope = sign(alice, "alice")
    keyring = Keyring(settings)
    keyring.trust(public(alice, "alice"), "her", source="alice.pem")
    keyring.revoke("her", "her laptop was stolen")
    found = judged(envelope, settings)
    assert (found.word, found.signer, found.trusted) == ("revoked", "her", False)
    assert found.text.endswith(": her laptop was stolen")
    with pytest.raises(UsageError, match=r"was revoked on .* \(her laptop was stolen\)"):
        keyring.trust(public(alice, "alice"), "her", source="alice.pem")
    keyring.trust(public(alice, "alice"), "her", source="alice.pem", again=True)
    assert judged(envelope, settings).trusted


def test_a_signature_of_something_else_is_bad(alice: Settings) -> None:
    envelope = sign(alice, "alice")
    for subjects in ({"manifest.json": "cd" * 32}, {**SUBJECTS, "more.json": "ab" * 32}):
        found = judged(envelope, alice, subjects)
        assert (found.word, found.signer) == ("bad", "alice")
    found = verdict(envelope, SUBJECTS, "urn:other:v1", alice, source="x")
    assert found.text == "bad signature: it states 'urn:test:v1', not 'urn:other:v1'"


def test_a_signature_that_another_key_made_is_bad(alice: Settings) -> None:
    Keyring(alice).new("mallory")
    document = json.loads(sign(alice, "mallory"))
    document["signatures"][0]["keyid"] = Keyring(alice).find("alice").id
    found = judged(json.dumps(document).encode(), alice)
    assert (found.word, found.text) == ("bad", "bad signature: it is not alice's")


def test_of_two_signatures_one_that_is_trusted_is_enough_and_one_that_is_wrong_too_much(alice: Settings) -> None:
    Keyring(alice).new("bob")
    document, other = json.loads(sign(alice, "bob")), json.loads(sign(alice, "alice"))
    both = {**document, "signatures": [*document["signatures"], *other["signatures"]]}
    Keyring(alice).revoke("bob")
    assert judged(json.dumps(both).encode(), alice).signer == "alice"
    both["signatures"][0]["sig"] = both["signatures"][1]["sig"]
    assert judged(json.dumps(both).encode(), alice).word == "bad"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("payload"), "'payload' is missing"),
        (lambda d: d.update(payloadType="text/plain"), "payloadType"),
        (lambda d: d.update(signatures=[]), "signatures"),
        (lambda d: d.update(payload="%%%"), "not base64"),
        (lambda d: d.update(payload=base64.b64encode(b"[1]").decode()), "payload"),
        (lambda d: d["signatures"][0].update(sig="AAAA"), "it is not alice's"),
        (lambda d: d["signatures"][0].update(keyid="\x1b[31m"), "keyid"),
    ],
)
def test_a_damaged_envelope_is_bad_and_says_why(alice: Settings, change: Any, words: str) -> None:
    document = json.loads(sign(alice, "alice"))
    change(document)
    found = judged(json.dumps(document).encode(), alice)
    assert found.word == "bad"
    assert words in found.text
    assert "\x1b" not in found.text


@pytest.fixture
def envelope(alice: Settings) -> bytes:
    return sign(alice, "alice")


@examples(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_byte_can_be_changed_unnoticed(alice: Settings, envelope: bytes, data: st.DataObject) -> None:
    """Whatever is changed, the verdict is not "trusted", or what was signed is still the same."""
    place = data.draw(st.integers(0, len(envelope) - 1))
    some = data.draw(st.binary(max_size=3))
    changed = envelope[:place] + some + envelope[place + data.draw(st.integers(0, 3)) :]
    if judged(changed, alice).trusted:
        assert Envelope.parse(changed, "x").statement("x") == Envelope.parse(envelope, "x").statement("x")


@examples(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps).map(str.encode)
)
def test_anything_at_all_gets_a_verdict(settings: Settings, junk: bytes) -> None:
    assert judged(junk, settings).word == "bad"


# Keys on disk.


def test_nobody_else_can_read_a_private_key_whatever_the_umask(settings: Settings) -> None:
    before = os.umask(0)
    try:
        Keyring(settings).new("me")
    finally:
        os.umask(before)
    folder = settings.home / "keys"
    assert stat.S_IMODE((folder / "me.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "known.json", "me.pem"]


def test_a_private_key_that_others_can_read_does_not_sign(alice: Settings) -> None:
    path = alice.home / "keys" / "alice.pem"
    path.chmod(0o644)
    with pytest.raises(StoreError, match="others on this machine can read") as caught:
        sign(alice, "alice")
    assert caught.value.hint == f"chmod 600 {path}"


def test_a_private_key_that_is_gone_damaged_or_anothers_is_named(alice: Settings) -> None:
    path = alice.home / "keys" / "alice.pem"
    Keyring(alice).new("bob")
    path.write_bytes((path.parent / "bob.pem").read_bytes())
    with pytest.raises(StoreError, match="is not the private half of key 'alice'"):
        sign(alice, "alice")
    path.write_text("-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n")
    with pytest.raises(StoreError, match="is no private key"):
        sign(alice, "alice")
    path.unlink()
    with pytest.raises(StoreError, match=r"alice\.pem: No such file"):
        sign(alice, "alice")


def test_a_name_is_given_once_and_a_key_is_trusted_once(alice: Settings) -> None:
    keyring = Keyring(alice)
    for taken in (lambda: keyring.new("alice"), lambda: keyring.new("Alice"), lambda: keyring.new("../alice")):
        with pytest.raises(UsageError):
            taken()
    with pytest.raises(UsageError, match="trusted already, as 'alice'"):
        keyring.trust(public(alice, "alice"), "her", source="alice.pem")
    with pytest.raises(UsageError, match="there is no key 'alcie'") as caught:
        keyring.find("alcie")
    assert caught.value.hint == "did you mean 'alice'?"
    assert keyring.find(keyring.find("alice").id[:8]).name == "alice"


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        (b"", "is no public key"),
        (b"x" * 99999, "is no public key"),
        (RSA.encode(), "is a public key, but not an Ed25519"),
    ],
)
def test_what_is_no_public_key_of_ours_is_not_trusted(settings: Settings, pem: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Keyring(settings).trust(pem, "x", source="x.pem")
    assert Keyring(settings).all() == []


def test_a_private_key_is_not_taken_for_a_public_one(alice: Settings, settings: Settings) -> None:
    with pytest.raises(UsageError, match="is a private key, which nobody should be given"):
        Keyring(settings).trust((alice.home / "keys" / "alice.pem").read_bytes(), "x", source="x.pem")


def test_somebody_elses_key_and_a_revoked_one_do_not_sign(alice: Settings, settings: Settings) -> None:
    Keyring(settings).trust(public(alice, "alice"), "alice", source="alice.pem")
    with pytest.raises(UsageError, match="somebody else's"):
        sign(settings, "alice")
    Keyring(alice).revoke("alice")
    with pytest.raises(UsageError, match="was revoked"):
        sign(alice, "alice")


@pytest.mark.parametrize("text", ["", "{", '{"schema": 2, "keys": []}', '{"schema": 1, "keys": [{"name": "x"}]}'])
def test_a_damaged_list_of_keys_is_named_and_trusts_nobody(alice: Settings, text: str) -> None:
    envelope = sign(alice, "alice")
    (alice.home / "keys" / "known.json").write_text(text)
    with pytest.raises(StoreError, match=r"known\.json: cannot be read"):
        judged(envelope, alice)


def test_an_id_that_is_not_its_keys_trusts_nobody(alice: Settings) -> None:
    file = alice.home / "keys" / "known.json"
    document = json.loads(file.read_text())
    document["keys"][0]["id"] = "0" * 64
    file.write_text(json.dumps(document))
    with pytest.raises(StoreError, match="the id of 'alice' is not that of its public key"):
        Keyring(alice).all()


def test_processes_that_make_keys_at_once_lose_none(settings: Settings) -> None:
    command = [sys.executable, "-m", "cmx", "key", "new"]
    children = [subprocess.Popen([*command, f"key-{n}"], stdout=subprocess.DEVNULL) for n in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert [key.name for key in Keyring(settings).all()] == [f"key-{n}" for n in range(3)]


# The verb.


def test_keys_by_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any) -> None:
    def cmx(*arguments: str, code: int = 0) -> dict[str, Any]:
        assert main([*arguments, "--json"]) == code
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    made = cmx("key", "new", "me")
    assert "PRIVATE" not in json.dumps(made)
    assert cmx("key", "export", "me", "--output", str(tmp_path / "me.pem"))["id"] == made["id"]
    assert main(["key", "export", "me"]) == 0
    assert capsys.readouterr().out == (tmp_path / "me.pem").read_text()
    assert (
        "is there already"
        in cmx("key", "export", "me", "--output", str(tmp_path / "me.pem"), code=2)["error"]["message"]
    )
    monkeypatch.setenv("CMX_HOME", str(tmp_path / "other"))
    assert cmx("key", "trust", str(tmp_path / "me.pem"))["name"] == "me"
    assert [(key["name"], key["own"], key["state"]) for key in cmx("key", "list")["keys"]] == [("me", False, "trusted")]
    assert cmx("key", "revoke", made["id"][:12], "--reason", "lost")["state"] == "revoked"
    assert main(["key", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["me", made["id"][:16], "revoked"]
    assert cmx("key", "trust", str(tmp_path / "no.pem"), code=2)["error"]["message"].endswith(
        "No such file or directory"
    )


def test_errors_of_keys_are_ours(settings: Settings) -> None:
    with pytest.raises(CmxError):
        Keyring(settings).revoke("nobody")


# Solutions.


@pytest.fixture
def solution(tmp_path: Path) -> Archive:
    """An archive that nobody signed."""
    return small_archive(tmp_path)


def test_a_signed_solution_is_trusted_by_whom_has_the_key(
    alice: Settings, settings: Settings, solution: Archive
) -> None:
    before, unsigned = solution.path.read_bytes(), solution_verdict(solution, settings)
    archive, key = sign_solution(solution, "alice", alice)
    check(archive)
    assert (unsigned.word, solution_verdict(archive, alice).signer) == ("unsigned", "alice")
    assert solution_verdict(archive, settings).word == "unknown"
    Keyring(settings).trust(key.pem.encode(), "her", source="x")
    assert solution_verdict(archive, settings).trusted
    signed_bytes = archive.path.read_bytes()
    assert sign_solution(archive, "alice", alice)[0].path.read_bytes() == signed_bytes != before
    assert archive.digest == solution.digest


def test_securesystemslib_verifies_the_signature_of_a_solution(alice: Settings, solution: Archive) -> None:
    from securesystemslib.dsse import Envelope as Theirs
    from securesystemslib.signer import SSlibKey

    archive, key = sign_solution(solution, "alice", alice)
    assert archive.signature is not None
    theirs = SSlibKey(key.id, "ed25519", "ed25519", {"public": key.public})
    envelope = Theirs.from_dict(json.loads(archive.signature))
    assert list(envelope.verify([theirs], 1)) == [key.id]
    said = json.loads(envelope.payload)
    assert said["subject"] == [{"name": "manifest.json", "digest": {"sha256": archive.digest}}]
    assert (said["predicateType"], said["predicate"]) == ("urn:cmx:solution:v1", {"name": "flow", "version": "1.0.0"})


def test_several_may_sign_a_solution(alice: Settings, settings: Settings, solution: Archive) -> None:
    archive, _ = sign_solution(solution, "alice", alice)
    Keyring(settings).new("bob")
    archive, _ = sign_solution(archive, "bob", settings)
    assert (solution_verdict(archive, alice).signer, solution_verdict(archive, settings).signer) == ("alice", "bob")


def test_a_signature_moved_to_another_solution_is_bad(alice: Settings, solution: Archive, tmp_path: Path) -> None:
    archive, _ = sign_solution(solution, "alice", alice)
    assert archive.signature is not None
    other = small_archive(tmp_path / "other", version="1.1.0")
    write_signed(other, archive.signature, other.path)
    moved = Archive.open(other.path)
    check(moved)
    assert solution_verdict(moved, alice).text == "bad signature: it is on another manifest.json"


def test_what_was_altered_is_not_signed(alice: Settings, solution: Archive) -> None:
    raw = bytearray(solution.path.read_bytes())
    raw[raw.index(b"a network")] ^= 1
    solution.path.write_bytes(raw)
    with pytest.raises(StoreError, match=r"model\.onnx: sha256 is"):
        sign_solution(Archive.open(solution.path), "alice", alice)
    assert solution.path.read_bytes() == raw


def test_solutions_are_signed_and_verified_by_the_command_line(
    capsys: pytest.CaptureFixture[str], solution: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cmx(*arguments: str, code: int = 0) -> dict[str, Any]:
        assert main([*arguments, "--json"]) == code
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    monkeypatch.setattr("cmx.repository.catalog.builtin_repository", lambda: tmp_path / "zoo")
    archive, key = str(solution.path), cmx("key", "new", "me")
    assert cmx("solution", "sign", archive, "--key", "em", code=2)["error"]["hint"] == "known here: me"
    assert cmx("solution", "verify", archive)["signature"]["word"] == "unsigned"
    assert cmx("solution", "sign", archive, "--key", "me")["key"] == key["id"]
    assert cmx("solution", "verify", archive)["signature"]["signer"] == "me"
    assert cmx("solution", "show", archive)["signature"]["word"] == "trusted"
    cmx("key", "revoke", "me", "--reason", "lost")
    failed = cmx("solution", "verify", archive, code=1)
    assert (failed["signature"]["word"], failed["error"]["type"]) == ("revoked", "StoreError")
    assert failed["error"]["message"].endswith(": lost")
    monkeypatch.setenv("CMX_HOME", str(tmp_path / "elsewhere"))
    assert cmx("solution", "verify", archive)["signature"]["word"] == "unknown"
