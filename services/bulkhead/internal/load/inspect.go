package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"path/filepath"
	"strings"

	"bulkhead/libs/bus"
)

// Formats of a file.
const (
	FormatCSV    = "csv"
	FormatNDJSON = "ndjson"
)

// Reading says how a file is to be read. Zero values = found out.
type Reading struct {
	// Format is FormatCSV or FormatNDJSON.
	Format string
	// Delimiter of CSV.
	Delimiter byte
	// Header names the columns of a CSV file that has no header.
	Header []string
	// EmptyNull makes an empty cell null instead of an absent member.
	EmptyNull bool
}

// keyDigits is how much of the digest a key carries, in hexadecimal digits: 96 bits.
const keyDigits = 24

// knowledge is what the first reading found out.
type knowledge struct {
	Reading
	// told is what the caller said about reading that would not have been found out.
	told Reading
	// detected says that nobody named the delimiter.
	detected bool
	names    []string // CSV: the columns
	// digest is the SHA-256 of the decompressed content, in hexadecimal digits; where options change what the rows say, of it and them.
	digest string
	// rows can be published, refused cannot.
	rows, refused int64
	first, last   int64 // lines of the first and the last row that can be published
}

func (k *knowledge) prefix() string { return k.digest[:keyDigits] }

// reader is one reading of a file, row by row.
type reader struct {
	rows
	content *content
	hash    hash.Hash
	names   []string
	found   Reading // what would have been found out if nobody had said it
}

func (r *reader) Close() { r.content.Close() }

// open starts a reading. What is not said in how is found out and filled in.
func open(ctx context.Context, src *source, how *Reading, nested func(string) bool) (_ *reader, err error) {
	c, err := src.read(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	r := &reader{content: c, hash: sha256.New()}
	in := bufio.NewReaderSize(io.TeeReader(c, r.hash), readBuffer)
	start, err := in.Peek(head)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := looksLikeText(src.name, start); err != nil {
		return nil, err
	}
	if bytes.HasPrefix(start, bomUTF8) {
		start = start[len(bomUTF8):]
		_, _ = in.Discard(len(bomUTF8))
	}
	r.found.Format, err = detectFormat(src.name, start)
	if how.Format == "" {
		if how.Format = r.found.Format; err != nil {
			return nil, err
		}
	}
	if how.Format == FormatNDJSON {
		if how.Delimiter != 0 || how.Header != nil || how.EmptyNull {
			return nil, usagef("%s is newline-delimited JSON: a delimiter, a header and --empty-null are about CSV. Leave them out, or say --format csv if it is CSV all the same", src.name)
		}
		r.rows = &lineReader{r: in, most: bus.MaxFrameBytes}
		return r, nil
	}
	r.found.Delimiter = detectDelimiter(start)
	if how.Delimiter == 0 {
		how.Delimiter = r.found.Delimiter
	}
	csv := newCSV(in, src.name, how.Delimiter, bus.MaxFrameBytes)
	if r.names = how.Header; r.names == nil {
		if r.names, err = readHeader(csv, src.name); err != nil {
			return nil, err
		}
	}
	r.rows = newObjects(csv, r.names, nested, how.EmptyNull)
	return r, nil
}

// detectFormat goes by the name, else by the first character.
func detectFormat(name string, start []byte) (string, error) {
	text := bytes.TrimLeft(start, " \t\r\n")
	if bytes.HasPrefix(text, []byte("[")) && !strings.Contains(name, ".csv") {
		return "", usagef("%s holds a JSON array: one object a line is needed (jq -c '.[]' makes that of it)", name)
	}
	base := strings.ToLower(filepath.Base(name))
	for _, packed := range []string{".gz", ".zst", ".zstd"} {
		base = strings.TrimSuffix(base, packed)
	}
	switch filepath.Ext(base) {
	case ".csv", ".tsv", ".txt":
		return FormatCSV, nil
	case ".ndjson", ".jsonl", ".json":
		return FormatNDJSON, nil
	}
	if bytes.HasPrefix(text, []byte("{")) {
		return FormatNDJSON, nil
	}
	return FormatCSV, nil
}

// inspect reads a file to its end and publishes nothing. tell is called now and then with the bytes read so far.
func inspect(ctx context.Context, src *source, how Reading, nested func(string) bool, tell func(read int64)) (*knowledge, error) {
	k := &knowledge{Reading: how, detected: how.Delimiter == 0}
	r, err := open(ctx, src, &k.Reading, nested)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	k.names, k.told = r.names, how.beyond(r.found)
	for n := 0; ; n++ {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fileError(err)
		}
		if n%tellEvery == 0 {
			tell(r.content.raw.n)
		}
		if row.refused != "" {
			k.refused++
			continue
		}
		if k.rows++; k.rows == 1 {
			k.first = row.line
		}
		k.last = row.line
	}
	tell(src.size)
	if k.rows == 0 && k.refused == 0 {
		return nil, usagef("%s holds no rows", src.name)
	}
	k.digest = digest(r.hash.Sum(nil), k.told)
	return k, nil
}

// tellEvery is after how many rows progress is told.
const tellEvery = 256

// fileError makes an error of usage of what is wrong with the file itself.
func fileError(err error) error {
	var broken *BrokenError
	if errors.As(err, &broken) {
		return &UsageError{err}
	}
	return err
}

// beyond is what was said about reading without what would have been found out: saying so changes no row.
func (how Reading) beyond(found Reading) Reading {
	if how.Format == found.Format {
		how.Format = ""
	}
	if how.Delimiter == found.Delimiter {
		how.Delimiter = 0
	}
	return how
}

// digest names the content together with what the caller told that changes its rows: the same file read another way says something else, and
// the same key with other content would be refused.
func digest(content []byte, told Reading) string {
	var said []string
	if told.EmptyNull {
		said = append(said, "empty-null")
	}
	if told.Delimiter != 0 {
		said = append(said, "delimiter "+string(rune(told.Delimiter)))
	}
	if told.Header != nil {
		said = append(said, "header "+strings.Join(told.Header, "\x00"))
	}
	if told.Format != "" {
		said = append(said, "format "+told.Format)
	}
	if len(said) == 0 {
		return hex.EncodeToString(content)
	}
	sum := sha256.Sum256([]byte(hex.EncodeToString(content) + "\n" + strings.Join(said, "\n")))
	return hex.EncodeToString(sum[:])
}
