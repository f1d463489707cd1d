// Package marked writes what a command found into its place on a page of Markdown, which two lines of comment mark. What stands around them is never
// touched. Numbers of such texts are written by [Count].
package marked

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// end is the line that ends a place.
const end = "<!-- to here -->"

// begin is the line that begins the place of a command, which is named as it is called: "bench run".
func begin(command string) string {
	return "<!-- " + command + " --markdown writes from here -->"
}

// Write writes a command's text into a file. Of a page that has the two lines for it what stands between them is replaced; a page without them is
// left as it is, which is an error. A file that is not there, or empty, becomes the text.
func Write(file, command, text string) error {
	made, err := into(file, command, text)
	if err != nil {
		return err
	}
	return os.WriteFile(file, made, 0o644) //nolint:gosec // a report is no secret
}

// Check says what would keep Write from working, as far as can be known before.
func Check(file, command string) error {
	_, err := into(file, command, "")
	return err
}

// into is what a file shall hold with the text in it.
func into(file, command, text string) ([]byte, error) {
	page, err := os.ReadFile(file) //nolint:gosec // the caller's own file
	if errors.Is(err, os.ErrNotExist) || err == nil && len(page) == 0 {
		return []byte(text), nil
	}
	if err != nil {
		return nil, err
	}
	before, rest, begins := bytes.Cut(page, []byte(begin(command)))
	_, after, ends := bytes.Cut(rest, []byte(end))
	if !begins || !ends {
		return nil, fmt.Errorf("%s is a page already, without the lines %q and %q between which the text would stand", file, begin(command), end)
	}
	return bytes.Join([][]byte{before, []byte(begin(command) + "\n" + text + end), after}, nil), nil
}

// Count writes a count as pages have it, with its thousands parted.
func Count[N int | int64](n N) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
