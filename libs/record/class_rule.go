package record

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// LockText is what Salesforce writes when a row was locked by another writer. Where it is the code, or a message holds it under whatever code, the row
// was held up by a lock: no [ClassRule] comes before that.
const LockText = "UNABLE_TO_LOCK_ROW"

// NoCode is the [ClassRule.Code] of a rule for messages that begin with no code at all.
const NoCode = "none"

// tooManyLocks is the one code of Salesforce that is not written in capitals.
const tooManyLocks = "TooManyLockFailure"

// Bounds of [ClassRule.Tries]: what is not to be sent again at all has a class that is dead at once.
const (
	MinRuleTries = 2
	MaxRuleTries = 20
)

const maxRuleText = 300 // bytes

var ruleCode = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,254}$`)

// ClassRule says which class a refused row has, by its code, its message, or both. In a list of rules the first that matches counts.
type ClassRule struct {
	// Code is the status code; [NoCode] for messages that begin with none; "" = whatever the code.
	Code string
	// Contains and Prefix are texts of the message, compared byte for byte; at most one is set, "" = whatever the message.
	Contains, Prefix string
	// Class is the class of what matches.
	Class Class
	// Tries bounds the tries where it is less than the class allows; the row is then dead as unclassified. 0 = as the class says.
	Tries int
	// Remedy is what a person can do, in a sentence; "" = what its class says.
	Remedy string
}

// Matches says whether the rule is about a refusal with this code ("" = none) and message.
func (r ClassRule) Matches(code, message string) bool {
	return (r.Code == "" || r.Code == code || r.Code == NoCode && code == "") && r.MatchesText(message)
}

// MatchesText is the half of Matches that looks at the message.
func (r ClassRule) MatchesText(message string) bool {
	return (r.Contains == "" || strings.Contains(message, r.Contains)) && (r.Prefix == "" || strings.HasPrefix(message, r.Prefix))
}

// Problem says why the rule cannot be one, or could never match, for whatever list it stands in; "" = it can.
func (r ClassRule) Problem() string {
	switch {
	case r.Code == "" && r.Contains == "" && r.Prefix == "":
		return "it names neither code nor text, and would be about every row"
	case r.Code != "" && r.Code != NoCode && r.Code != tooManyLocks && !ruleCode.MatchString(r.Code):
		return fmt.Sprintf("code %q is no status code such as FIELD_CUSTOM_VALIDATION_EXCEPTION, so it never matches", shortText(r.Code))
	case r.Code == LockText:
		return fmt.Sprintf("it never counts: %s is always %s", LockText, ClassContention)
	case r.Contains != "" && r.Prefix != "":
		return "it names contains and prefix: one of them"
	case !r.Class.Known():
		return fmt.Sprintf("class %q is not one of %s", shortText(string(r.Class)), classWords())
	case r.Tries != 0 && (r.Tries < MinRuleTries || r.Tries > MaxRuleTries):
		return fmt.Sprintf("tries is %d, it must be between %d and %d", r.Tries, MinRuleTries, MaxRuleTries)
	case r.Tries > 0 && !r.Class.Retried():
		return fmt.Sprintf("tries says nothing with class %s, whose tries are not counted: it is for classes that are sent again", r.Class)
	}
	for _, text := range []string{r.Contains, r.Prefix} {
		switch {
		case len(text) > maxRuleText:
			return fmt.Sprintf("its text has %d bytes, at most %d are allowed", len(text), maxRuleText)
		case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
			return "its text is not UTF-8, so it never matches"
		case text != "" && strings.TrimSpace(text) == "":
			return "its text is blank"
		case strings.Contains(text, LockText):
			return fmt.Sprintf("it never matches: a message that holds %s is always %s", LockText, ClassContention)
		}
	}
	if strings.TrimLeft(r.Prefix, " \t\r\n") != r.Prefix {
		return "it never matches: messages begin without blanks"
	}
	return ""
}

// Hides says whether everything that later matches is matched by r, so that later, when it stands behind r, never counts.
func (r ClassRule) Hides(later ClassRule) bool {
	if r.Code != "" && r.Code != later.Code {
		return false
	}
	switch {
	case r.Contains != "":
		return strings.Contains(later.Contains, r.Contains) || strings.Contains(later.Prefix, r.Contains)
	case r.Prefix != "":
		return strings.HasPrefix(later.Prefix, r.Prefix)
	}
	return true
}

// Retried says whether rows of this class are sent again by themselves, a counted number of times.
func (c Class) Retried() bool {
	switch c {
	case ClassTransient, ClassContention, ClassReference, ClassUnclassified:
		return true
	case ClassData, ClassDuplicate, ClassPermission, ClassCode, ClassQuota, ClassAuth, ClassUnresolved:
	}
	return false
}

func classWords() string {
	words := make([]string, len(classes))
	for i, c := range classes {
		words[i] = string(c)
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// shortText is a text from outside, short enough for a sentence.
func shortText(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
