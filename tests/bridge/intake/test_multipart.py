"""What the multipart parser promises, one behaviour each; test_multipart_fuzz.py compares it with aiohttp's."""

import pytest

from speechbridge.intake.multipart import (
    PART_END,
    Event,
    Limits,
    MultipartError,
    MultipartParser,
    PartBegin,
    PartEnd,
    boundary_of,
)

pytestmark = pytest.mark.unit

DISPOSITION = b'Content-Disposition: form-data; name="file"\r\n'
HEAD = b"--b\r\n" + DISPOSITION + b"\r\n"
TAIL = b"\r\n--b--\r\n"


def parse(*chunks: bytes, limits: Limits | None = None) -> list[Event]:
    """The events of a whole body, boundary `b`, neighbouring pieces of data joined."""
    parser = MultipartParser(b"b", limits or Limits())
    events: list[Event] = []
    for event in (event for chunk in chunks for event in parser.feed(chunk)):
        last = events[-1] if events else None
        if isinstance(event, bytes) and isinstance(last, bytes):
            events[-1] = last + event
        else:
            events.append(event)
    parser.finish()
    return events


def single_bytes(body: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in body]


def refused(body: bytes, limits: Limits | None = None) -> MultipartError:
    with pytest.raises(MultipartError) as caught:
        parse(body, limits=limits)
    return caught.value


def data_of(body: bytes) -> bytes:
    return b"".join(event for event in parse(body) if isinstance(event, bytes))


def begin_of(headers: bytes) -> PartBegin:
    (begin, *_) = parse(b"--b\r\n" + headers + b"\r\n" + TAIL)
    assert isinstance(begin, PartBegin)
    return begin


def named(parameters: str) -> PartBegin:
    return begin_of(f"Content-Disposition: form-data; {parameters}\r\n".encode())


class TestBoundaryOf:
    def test_plain(self) -> None:
        header = "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxk"
        assert boundary_of(header) == b"----WebKitFormBoundary7MA4YWxk"

    def test_quoted(self) -> None:
        assert boundary_of('multipart/form-data; boundary="a b:c"') == b"a b:c"

    def test_case_and_other_parameters_do_not_matter(self) -> None:
        assert boundary_of('Multipart/Form-Data; charset="utf-8; boundary=x" ; BOUNDARY = aB;') == b"aB"

    def test_characters_that_require_quotes_are_accepted_without(self) -> None:
        assert boundary_of("multipart/form-data; boundary=----=_Part_1/2:3") == b"----=_Part_1/2:3"

    def test_seventy_characters_are_allowed(self) -> None:
        assert boundary_of("multipart/form-data; boundary=" + "x" * 70) == b"x" * 70

    @pytest.mark.parametrize(
        ("header", "reason"),
        [
            ("", "must be multipart/form-data"),
            ("application/json", "must be multipart/form-data"),
            ("multipart/mixed; boundary=b", "must be multipart/form-data"),
            ("multipart/form-data", "no boundary"),
            ("multipart/form-data; boundary=", "malformed"),
            ('multipart/form-data; boundary=""', "no boundary"),
            ("multipart/form-data; boundary=" + "x" * 71, "71 characters"),
            ("multipart/form-data; boundary=é", "RFC 2046 does not allow"),
            ("multipart/form-data; boundary=a\r\nb", "malformed"),
            ('multipart/form-data; boundary="a\r\nb"', "malformed|RFC 2046 does not allow"),
            ('multipart/form-data; boundary="ends with space "', "RFC 2046 does not allow"),
            ('multipart/form-data; boundary="open', "malformed"),
            ("multipart/form-data; boundary=a; boundary=b", "twice"),
        ],
    )
    def test_refuses(self, header: str, reason: str) -> None:
        with pytest.raises(MultipartError, match=reason) as caught:
            boundary_of(header)
        assert caught.value.code == "bad_multipart"


class TestParts:
    def test_a_form_of_a_field_and_a_file(self) -> None:
        body = (
            b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nSum it up\r\n'
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
            b"Content-Type: audio/wav\r\n\r\nRIFF....\r\n--b--\r\n"
        )
        assert parse(body) == [
            PartBegin("prompt", None, None),
            b"Sum it up",
            PART_END,
            PartBegin("file", "a.wav", "audio/wav"),
            b"RIFF....",
            PART_END,
        ]

    def test_the_end_of_a_part_has_its_own_type(self) -> None:
        assert isinstance(parse(HEAD + TAIL)[-1], PartEnd)

    def test_a_part_without_data_has_no_data_events(self) -> None:
        assert parse(HEAD + TAIL) == [PartBegin("file", None, None), PART_END]

    def test_the_blank_line_of_the_headers_is_part_of_the_delimiter(self) -> None:
        assert parse(HEAD + b"--b--") == [PartBegin("file", None, None), PART_END]

    def test_a_body_of_no_parts(self) -> None:
        assert parse(b"--b--\r\n") == []

    def test_preamble_and_epilogue_are_dropped(self) -> None:
        body = b"This is a message\r\n in MIME\r\n" + HEAD + b"data" + TAIL + b"\r\nbye\r\n--b\r\n"
        assert parse(body) == [PartBegin("file", None, None), b"data", PART_END]

    def test_transport_padding_is_skipped(self) -> None:
        body = b"--b \t \r\n" + DISPOSITION + b"\r\nx\r\n--b  \r\n" + DISPOSITION + b"\r\ny\r\n--b--\t\r\n"
        assert [event for event in parse(body) if isinstance(event, bytes)] == [b"x", b"y"]

    @pytest.mark.parametrize(
        "data",
        [
            b"\r\n",
            b"\r",
            b"\n",
            b"--",
            b"--b",
            b"\n--b",
            b"\r--b",
            b"\r\n-",
            b"\r\n--",
            b"\r\n-b",
            b"\r\n--a",
            b"\r\n\r\n",
            b"\r\r\n--",
            b"x--b--\r\n",
            b"\r\n --b\r\n",
            b"--b--\r\n"[1:],
            pytest.param(b"\x00" * 1000 + b"\r" * 1000 + b"\r\n-" * 1000, id="long"),
        ],
    )
    def test_data_that_looks_like_a_delimiter_is_data(self, data: bytes) -> None:
        assert data_of(HEAD + b"[" + data + TAIL) == b"[" + data

    def test_a_nested_multipart_is_data(self) -> None:
        nested = b"--inner\r\nContent-Type: text/plain\r\n\r\nhello\r\n--inner--\r\n"
        head = b"--b\r\n" + DISPOSITION + b"Content-Type: multipart/mixed; boundary=inner\r\n\r\n"
        assert data_of(head + nested + TAIL) == nested


class TestFeeding:
    BODIES = (
        b"pre\r\n" + HEAD + b"a\r\n--c\r\r\n--b \r\n" + DISPOSITION + b"\r\n\r\n--b--\r\nend",
        HEAD + b"--b\r\n" + DISPOSITION + b"\r\n--a\r\n--b--\r\n",
    )

    @pytest.mark.parametrize("body", BODIES)
    def test_a_split_anywhere_changes_nothing(self, body: bytes) -> None:
        for cut in range(len(body) + 1):
            assert parse(body[:cut], body[cut:]) == parse(body)

    @pytest.mark.parametrize("body", BODIES)
    def test_single_bytes_change_nothing(self, body: bytes) -> None:
        assert parse(*single_bytes(body)) == parse(body)

    def test_empty_feeds_have_no_events(self) -> None:
        (body, _) = self.BODIES
        assert parse(b"", body, b"") == parse(body)

    def test_a_chunk_without_a_delimiter_is_not_copied(self) -> None:
        parser = MultipartParser(b"boundary")
        parser.feed(HEAD.replace(b"--b", b"--boundary") + b"first")
        chunk = b"\r\n--bound is far from the end" * 3000
        (event,) = parser.feed(chunk)
        assert event is chunk

    def test_only_a_possible_delimiter_is_retained(self) -> None:
        parser = MultipartParser(b"b")
        parser.feed(HEAD + b"x")
        assert parser.feed(b"data\r\n--") == [b"data"]
        assert parser.feed(b"\r") == [b"\r\n--"]
        assert parser.feed(b"more") == [b"\rmore"]

    def test_headers_are_known_as_soon_as_they_end(self) -> None:
        assert MultipartParser(b"b").feed(HEAD) == [PartBegin("file", None, None)]

    def test_a_part_ends_as_soon_as_its_delimiter_is_seen(self) -> None:
        parser = MultipartParser(b"b")
        parser.feed(HEAD + b"x")
        assert parser.feed(b"\r\n--b") == [PART_END]

    def test_complete_turns_true_at_the_closing_delimiter(self) -> None:
        parser = MultipartParser(b"b")
        parser.feed(HEAD + b"data\r\n--b-")
        assert not parser.complete
        parser.feed(b"-")
        assert parser.complete


class TestDisposition:
    def test_header_and_parameter_names_ignore_case(self) -> None:
        assert begin_of(b'CONTENT-disposition: Form-Data; NAME="a"; FileName="b"\r\n') == PartBegin("a", "b", None)

    def test_tokens_need_no_quotes(self) -> None:
        assert named("name=a;filename=b.wav") == PartBegin("a", "b.wav", None)

    def test_semicolons_and_equals_signs_in_quotes(self) -> None:
        assert named('name="a;b=c"; filename="d; name=e"') == PartBegin("a;b=c", "d; name=e", None)

    def test_backslash_escapes_a_quote_and_a_backslash(self) -> None:
        assert named(r'name="a\"b\\c"').name == r'a"b\c'

    def test_other_backslashes_are_literal_as_browsers_send_them(self) -> None:
        assert named(r'name="a"; filename="C:\clips\a.wav"').filename == r"C:\clips\a.wav"

    def test_percent_22_is_a_quote(self) -> None:
        assert named('name="a%22b"; filename="%22c%22 100%25.wav"') == PartBegin('a"b', '"c" 100%25.wav', None)

    def test_utf8_names(self) -> None:
        assert named('name="größe"; filename="naïve 語.wav"') == PartBegin("größe", "naïve 語.wav", None)

    def test_extended_filename_wins(self) -> None:
        assert named("name=a; filename=\"x\"; filename*=utf-8'de'na%C3%AFve%20.wav").filename == "naïve .wav"

    def test_empty_filename_is_not_a_missing_one(self) -> None:
        assert named('name="a"; filename=""').filename == ""

    def test_other_headers_are_ignored(self) -> None:
        assert begin_of(b"X-Custom: \xc3\xa9\r\nx-custom:\r\n" + DISPOSITION) == PartBegin("file", None, None)

    def test_the_type_of_disposition_does_not_matter(self) -> None:
        assert begin_of(b'Content-Disposition: attachment; name="a"\r\n') == PartBegin("a", None, None)

    @pytest.mark.parametrize("codec", ["cp1252", "cp1251", "gbk", "shift_jis", "euc_kr"])
    def test_a_filename_in_any_code_page(self, codec: str) -> None:
        name = {"cp1252": "Größe", "cp1251": "запись", "gbk": "錄音", "shift_jis": "表", "euc_kr": "녹음"}[codec]
        header = b'Content-Disposition: form-data; name="file"; filename="' + name.encode(codec) + b'"\r\n'

        assert begin_of(header).name == "file"
        assert begin_of(header).filename is not None

    def test_other_headers_may_have_any_bytes(self) -> None:
        assert begin_of(b"X-Name: caf\xe9\r\n" + DISPOSITION) == PartBegin("file", None, None)

    @pytest.mark.parametrize("filename", ['"5" disk.wav"', "my recording.wav", '"a"; filename="b"'])
    def test_a_filename_need_not_be_well_formed(self, filename: str) -> None:
        part = named(f'name="file"; filename={filename}')

        assert part.name == "file"
        assert part.filename == filename.strip('"')

    @pytest.mark.parametrize("broken", ["UTF-8''%FF", "latin1''a", "a", "UTF-8''%0D%0AX"])
    def test_an_unreadable_extended_filename_counts_for_nothing(self, broken: str) -> None:
        assert named(f'name="a"; filename="b.wav"; filename*={broken}').filename == "b.wav"
        assert named(f'name="a"; filename*={broken}').filename == ""

    @pytest.mark.parametrize("encoding", [b"7bit", b"8bit", b"Binary"])
    def test_encodings_that_change_nothing(self, encoding: bytes) -> None:
        headers = DISPOSITION + b"Content-Transfer-Encoding: " + encoding + b"\r\n"
        assert begin_of(headers) == PartBegin("file", None, None)

    @pytest.mark.parametrize(
        ("headers", "reason"),
        [
            (b"", "no Content-Disposition"),
            (b"Content-Type: text/plain\r\n", "no Content-Disposition"),
            (b'Content-Disposition: form-data; filename="a"\r\n', "no name"),
            (b'Content-Disposition: form-data; name="a\r\n', "malformed"),
            (b"Content-Disposition: form-data; name=a b\r\n", "malformed"),
            (b"Content-Disposition: form-data; name\r\n", "malformed"),
            (b'Content-Disposition: form-data; name="a"; name="b"\r\n', "twice"),
            (DISPOSITION + DISPOSITION, "two content-disposition headers"),
            (b'Content-Disposition: form-data; name="\xff"\r\n', "not UTF-8"),
            (b'Content-Disposition: form-data;\r\n name="a"\r\n', "folded"),
            (b"Content-Disposition\r\n" + DISPOSITION, "malformed header"),
            (b"Content Type: a\r\n" + DISPOSITION, "malformed header"),
            (b"X-A: a\x00b\r\n" + DISPOSITION, "malformed header"),
            (b"X-A: a\rb\r\n" + DISPOSITION, "malformed header"),
            (b'Content-Disposition: form-data; name="a"; filename="b"; name="c"\r\n', "twice"),
            (b'Content-Disposition: form-data; name="a; filename="b"\r\n', "malformed"),
            (b'Content-Disposition: form-data; filename="5" disk.wav"; name="a"\r\n', "malformed"),
            (DISPOSITION + b"Content-Transfer-Encoding: base64\r\n", "'base64' is not supported"),
            (DISPOSITION + b"Content-Transfer-Encoding: quoted-printable\r\n", "'quoted-printable' is not supported"),
        ],
    )
    def test_refuses(self, headers: bytes, reason: str) -> None:
        error = refused(b"--b\r\n" + headers + b"\r\ndata" + TAIL)
        assert error.code == "bad_multipart"
        with pytest.raises(MultipartError, match=reason):
            raise error


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "does not contain the boundary"),
            (b"{}", "does not contain the boundary"),
            (b"--other\r\n" + DISPOSITION + b"\r\ndata\r\n--other--\r\n", "does not contain the boundary"),
            (b"--b", "cut off"),
            (HEAD[:-4], "cut off"),
            (HEAD + b"data", "cut off"),
            (HEAD + b"data\r\n--b", "cut off"),
            (HEAD + b"data\r\n--b\r\n", "cut off"),
            (HEAD + b"data\r\n--b-", "cut off"),
            ((HEAD + b"data" + TAIL).replace(b"\r\n", b"\n"), "must end with CRLF"),
            (b"--b\r\n" + DISPOSITION.replace(b"\r\n", b"\n") + b"\r\n" + TAIL, "must end with CRLF"),
            (HEAD + b"data\r\n--boundary\r\n" + TAIL, "continues with other text"),
            (HEAD + b"data\r\n--b --\r\n", "continues with other text"),
            (HEAD + b"data\r\n--b--x\r\n", "continues with other text"),
            (HEAD + b"data\r\n--b\rx" + TAIL, "continues with other text"),
        ],
    )
    def test_refuses(self, body: bytes, reason: str) -> None:
        error = refused(body)
        assert error.code == "bad_multipart"
        with pytest.raises(MultipartError, match=reason):
            raise error


class TestLimits:
    def test_as_many_parts_as_allowed(self) -> None:
        body = (HEAD + b"\r\n") * 3 + b"--b--"
        assert parse(body, limits=Limits(max_parts=3)).count(PART_END) == 3

    def test_one_part_too_many(self) -> None:
        body = (HEAD + b"\r\n") * 4 + b"--b--"
        assert refused(body, Limits(max_parts=3)).code == "too_many_parts"

    def test_headers_of_just_the_size_in_every_part(self) -> None:
        limits = Limits(max_header_bytes=len(DISPOSITION + b"\r\n"))
        assert len(parse(HEAD + b"\r\n" + HEAD + TAIL, limits=limits)) == 4

    def test_headers_one_byte_too_large(self) -> None:
        limits = Limits(max_header_bytes=len(DISPOSITION + b"\r\n") - 1)
        assert refused(HEAD + TAIL, limits).code == "headers_too_large"

    def test_headers_are_counted_over_feeds_and_for_each_part(self) -> None:
        headers = b"X-Other: b\r\n" + DISPOSITION + b"\r\n"
        body = single_bytes((b"--b\r\n" + headers + b"\r\n") * 2 + b"--b--")
        assert len(parse(*body, limits=Limits(max_header_bytes=len(headers)))) == 4
        with pytest.raises(MultipartError, match="larger than"):
            parse(*body, limits=Limits(max_header_bytes=len(headers) - 1))

    def test_many_small_headers_are_too_large_together(self) -> None:
        assert refused(b"--b\r\n" + b"a: b\r\n" * 5000 + DISPOSITION + b"\r\n" + TAIL).code == "headers_too_large"

    def test_an_endless_header_line_is_rejected_at_the_limit(self) -> None:
        parser = MultipartParser(b"b", Limits(max_header_bytes=100))
        parser.feed(b"--b\r\nX-Long: ")
        with pytest.raises(MultipartError, match="larger than 100 bytes"):
            parser.feed(b"x" * (100 - len("X-Long: ")))

    def test_a_preamble_of_just_the_size(self) -> None:
        assert parse(b"x" * 10 + b"\r\n" + HEAD + TAIL, limits=Limits(max_preamble_bytes=10))

    def test_a_body_without_boundary_is_refused_early(self) -> None:
        parser = MultipartParser(b"b", Limits(max_preamble_bytes=10))
        with pytest.raises(MultipartError, match="no boundary in the first 10 bytes"):
            parser.feed(b"x" * 11)
