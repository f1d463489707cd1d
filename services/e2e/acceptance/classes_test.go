package acceptance

import (
	"net/http"
	"slices"
	"testing"

	"bulkhead/services/e2e/inprocess"
)

// TestFailuresOfEachKind: what Salesforce says of a row decides how often it is sent again and where its letter stands, also when nobody has heard of it.
func TestFailuresOfEachKind(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs)
	kinds := []struct {
		key, text, class, code string
		tries                  int
	}{
		{"required", noLastName, "data", "REQUIRED_FIELD_MISSING", 1},
		{"rule", "FIELD_CUSTOM_VALIDATION_EXCEPTION:no sales on a Sunday:LastName --", "data", "FIELD_CUSTOM_VALIDATION_EXCEPTION", 1},
		{"duplicate", "DUPLICATE_VALUE:duplicate value found: Loyalty_Number__c duplicates value on record with id: 003000000000001:--", "duplicate", "DUPLICATE_VALUE", 1},
		{"unheard", "MOON_IN_THE_WRONG_PHASE:wait for the next one:--", "unclassified", "MOON_IN_THE_WRONG_PHASE", 2},
		{"shapeless", "THE_SERVER:", "unclassified", "", 2},
		{"unknown", "UNKNOWN_EXCEPTION:something went wrong:--", "unclassified", "UNKNOWN_EXCEPTION", 3},
	}
	for _, k := range kinds {
		s.failing(k.text, 0, k.key)
		s.publish("contacts", "evt-"+k.key, contact(k.key), false)
	}
	s.publish("contacts", "evt-fine", contact("fine"), false)
	total := int64(len(kinds) + 1)
	if b := s.settle("contacts", total); b.Landed != 1 || b.Dead != total-1 {
		t.Errorf("%+v", b)
	}
	tried, letters := s.ended(len(kinds))
	for _, k := range kinds {
		t.Run(k.key+" ends as "+k.class, func(t *testing.T) {
			l := letters["evt-"+k.key]
			if l.Class != k.class || k.code != "" && l.Code != k.code {
				t.Errorf("%+v, want %s %s", l, k.class, k.code)
			}
			if tried[k.key] != k.tries {
				t.Errorf("sent %d times, want %d", tried[k.key], k.tries)
			}
		})
	}
	t.Run("what nobody knows is listed by itself, in groups of what was said", func(t *testing.T) {
		var groups struct {
			Groups []struct {
				Class, Code string
				Count       int
			}
		}
		s.Ask(http.MethodGet, "/v1/dead-letter-groups?class=unclassified", nil, &groups)
		var codes []string
		for _, g := range groups.Groups {
			if g.Class != "unclassified" || g.Count != 1 {
				t.Errorf("%+v", g)
			}
			codes = append(codes, g.Code)
		}
		if len(codes) != 3 || !slices.Contains(codes, "MOON_IN_THE_WRONG_PHASE") {
			t.Errorf("%q", codes)
		}
	})
}

// TestAnOrgsOwnClasses: what an org says of its own errors counts before what everybody knows of them.
func TestAnOrgsOwnClasses(t *testing.T) {
	t.Parallel()
	s := newStack(t, byJobs, func(o *inprocess.Options) {
		o.Classes = []string{
			"{code: FIELD_CUSTOM_VALIDATION_EXCEPTION, contains: being recalculated, class: transient}",
			"{code: HOUSE_IS_FULL, class: transient, tries: 2}",
			"{code: UNKNOWN_EXCEPTION, class: data}",
		}
	})
	s.failing("FIELD_CUSTOM_VALIDATION_EXCEPTION:Prices are being recalculated:LastName --", 1, "once")
	s.failing("FIELD_CUSTOM_VALIDATION_EXCEPTION:no sales on a Sunday:LastName --", 0, "rule")
	s.failing("HOUSE_IS_FULL:come again:--", 0, "full")
	s.failing("UNKNOWN_EXCEPTION:the one that a bad row gives:--", 0, "bad")
	for _, key := range []string{"once", "rule", "full", "bad"} {
		s.publish("contacts", "evt-"+key, contact(key), false)
	}
	if b := s.settle("contacts", 4); b.Landed != 1 || b.Dead != 3 {
		t.Errorf("%+v", b)
	}
	tried, letters := s.ended(3)
	t.Run("a row that its rule calls transient is sent again and lands", func(t *testing.T) {
		if _, dead := letters["evt-once"]; dead || tried["once"] != 2 {
			t.Errorf("sent %d times, %+v", tried["once"], letters["evt-once"])
		}
	})
	for _, c := range []struct {
		name, key, class string
		tries            int
	}{
		{"another text of the same code is bad data, as ever", "rule", "data", 1},
		{"a rule's own number of tries counts, and what used them up is unclassified", "full", "unclassified", 2},
		{"a class that is dead at once takes the tries of the rule that it replaces away", "bad", "data", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if l := letters["evt-"+c.key]; l.Class != c.class || tried[c.key] != c.tries {
				t.Errorf("sent %d times, %+v", tried[c.key], l)
			}
		})
	}
}

// ended awaits n letters of contacts, and returns them by the key of their record, and how often each row was sent.
func (s *stack) ended(n int) (tried map[string]int, letters map[string]letter) {
	s.T.Helper()
	tried, letters = map[string]int{}, map[string]letter{}
	for _, j := range s.closed() {
		_, rows := s.uploaded(j.ID)
		for k := range rows {
			tried[k]++
		}
	}
	for _, l := range s.awaitLetters("contacts", n) {
		letters[l.Key] = l
	}
	return tried, letters
}
