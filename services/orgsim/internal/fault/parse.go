package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// DefaultCalls is the traffic that rules are drawn for unless somebody says otherwise.
const DefaultCalls = 500

// Parse reads a list of rules, or one rule by itself, from JSON. Members that no rule has are refused, so that a
// misspelt one is not taken for one that is left out. What the rules say is checked by Set.Add.
func Parse(text []byte) ([]Rule, error) {
	text = bytes.TrimSpace(text)
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var rules []Rule
	var err error
	if bytes.HasPrefix(text, []byte("{")) {
		rules = make([]Rule, 1)
		err = dec.Decode(&rules[0])
	} else {
		err = dec.Decode(&rules)
	}
	if err != nil {
		return nil, fmt.Errorf("the text is no fault rule and no list of them: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something behind the fault rules: give one list")
	}
	return rules, nil
}
