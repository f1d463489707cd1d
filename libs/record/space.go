package record

import (
	"bytes"
	"strings"
)

// exactSuffix marks an entity space whose values are compared exactly.
const exactSuffix = ":exact"

// contentPrefix begins the field of a space in which a record is known by nothing but its key; no API name holds a hyphen.
const contentPrefix = "content-"

// Space names an entity space: whoever writes the same one writes the same rows of the org and shares its lanes. exact says that values of field
// are compared as they are (ids, and fields that the org describes as case-sensitive); see [FoldIn].
func Space(org, object, field string, exact bool) string {
	space := org + "/" + object + "/" + field
	if exact {
		space += exactSuffix
	}
	return space
}

// ContentSpace names the space of a pipeline that inserts without a correlating field. Each of its records is an entity of its own, named by its
// key: two rows that are alike are two rows.
func ContentSpace(org, object, pipeline string) string {
	return Space(org, object, contentPrefix+pipeline, true)
}

// FoldIn returns the form under which two values are the same entity of a space: as [FoldKey] does; in an exact space without blanks at its ends
// and decomposed, its case kept; where the field is Id, the 18-character id; in a content space the value itself, which is a key.
func FoldIn(space, value string) string { return FoldingOf(space).Fold(value) }

// FoldExact is the form under which two values of a case-sensitive field are the same entity: without blanks at the ends, which no text field keeps,
// and decomposed, since the org gives text back composed however it was sent.
func FoldExact(s string) string { return decompose(strings.TrimSpace(s)) }

// foldID is the long form of an id; what is no id stays what it is, without blanks at its ends.
func foldID(s string) string {
	s = strings.TrimSpace(s)
	if id, ok := LongID(s); ok {
		return id
	}
	return s
}

// LongID returns the 18-character form of a Salesforce id of 15 or 18 characters: the last three say which of the first fifteen are upper case. It
// is false for what is no id and for one whose suffix does not fit.
func LongID(s string) (string, bool) {
	if len(s) != shortID && len(s) != longID {
		return "", false
	}
	var room [longID]byte
	full, ok := AppendLongID(room[:0], []byte(s))
	if !ok {
		return "", false
	}
	return string(full), true
}

const shortID, longID = 15, 18

// AppendLongID appends what [LongID] returns; it is false, and appends nothing, for what is no id.
func AppendLongID(dst, id []byte) ([]byte, bool) {
	if len(id) != shortID && len(id) != longID {
		return dst, false
	}
	for _, c := range id {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return dst, false
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	full := append(dst, id[:shortID]...)
	for group := range 3 {
		bits := 0
		for i := range 5 {
			if c := id[group*5+i]; c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		full = append(full, alphabet[bits])
	}
	if suffix := full[len(dst)+shortID:]; len(id) == longID && !bytes.EqualFold(suffix, id[shortID:]) {
		return dst, false
	}
	return full, true
}
