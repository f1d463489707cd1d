package bulk

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"bulkhead/services/orgsim/internal/sfid"
)

// locator is a place in the result of a query job, to which callers come back as often as they like. It says so in a form
// that real orgs were seen to use and that callers must not look into: the id of the result and the row, in base64.
type locator struct {
	result string // 18 characters
	row    int    // the page begins with it, from 0
}

// lastPage is what stands in the place of a locator behind the last page: the word, so that callers who test for an empty
// header never end.
const lastPage = "null"

func (l locator) String() string {
	return base64.RawStdEncoding.EncodeToString(fmt.Appendf(nil, "0:%s:%d", l.result, l.row))
}

// ParseLocator reads a locator: the id of its result and the row with which its page begins. It is false for what no
// locator ever says.
func ParseLocator(text string) (result string, row int, ok bool) {
	const longest = 64 // characters; real locators are shorter
	if len(text) > longest {
		return "", 0, false
	}
	plain, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", 0, false
	}
	parts := strings.Split(string(plain), ":")
	if len(parts) != 3 {
		return "", 0, false
	}
	row, err = strconv.Atoi(parts[2])
	if err != nil || row < 0 || len(parts[1]) != sfid.Len18 || !sfid.Valid(parts[1]) {
		return "", 0, false
	}
	if (locator{parts[1], row}).String() != text { // one place has one locator
		return "", 0, false
	}
	return parts[1], row, true
}
