package report

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// end is the line that ends the place of a command's tables on a page.
const end = "<!-- to here -->"

// begin is the line that begins it.
func begin(command string) string {
	return "<!-- bench " + command + " --markdown writes from here -->"
}

// WritePage writes a command's tables into a file. Of a page that has the two lines for it what stands between them is replaced; a page without them is
// left as it is, which is an error.
func WritePage(file, command, tables string) error {
	made, err := into(file, command, tables)
	if err != nil {
		return err
	}
	return os.WriteFile(file, made, 0o644) //nolint:gosec // a report is no secret
}

// CheckPage says what would keep WritePage from working, as far as can be known before.
func CheckPage(file, command string) error {
	_, err := into(file, command, "")
	return err
}

// into is what a file shall hold with the tables in it.
func into(file, command, tables string) ([]byte, error) {
	page, err := os.ReadFile(file) //nolint:gosec // the caller's own file
	if errors.Is(err, os.ErrNotExist) || err == nil && len(page) == 0 {
		return []byte(tables), nil
	}
	if err != nil {
		return nil, err
	}
	before, rest, begins := bytes.Cut(page, []byte(begin(command)))
	_, after, ends := bytes.Cut(rest, []byte(end))
	if !begins || !ends {
		return nil, fmt.Errorf("%s is a page already, without the lines %q and %q between which the tables would stand", file, begin(command), end)
	}
	return bytes.Join([][]byte{before, []byte(begin(command) + "\n" + tables + end), after}, nil), nil
}
