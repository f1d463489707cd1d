package salesforce

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestTheOrgsClockIsNoted(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	header := ""
	o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", header)
		writeCSV(w, successful)
	})
	c := o.client(func(c *Config) { c.Now = func() time.Time { return now } })
	if _, ok := c.Skew(); ok {
		t.Fatal("there is a skew before any reply")
	}
	for _, step := range []struct {
		header string
		want   time.Duration
	}{
		{now.Add(time.Hour).Format(http.TimeFormat), time.Hour},
		{"yesterday", time.Hour}, // a header that cannot be read says nothing new
		{now.Add(-time.Minute).Format(http.TimeFormat), -time.Minute},
	} {
		header = step.header
		if _, _, err := readRows(c, t.Context(), Successful); err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Skew(); !ok || got != step.want {
			t.Errorf("%s: %v, %v", step.header, got, ok)
		}
	}
}

func TestADateToWaitForIsReadByTheOrgsClock(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, ahead := range []time.Duration{-time.Hour, 0, time.Hour} {
		for _, told := range []bool{true, false} {
			org := now.Add(ahead)
			o := newScriptedOrg(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", org.Format(http.TimeFormat))
				if n > 1 && !told {
					w.Header().Set("Date", "") // a proxy that leaves it out: the login has told the time
				}
				w.Header().Set("Retry-After", org.Add(2*time.Minute).Format(http.TimeFormat))
				w.WriteHeader(http.StatusServiceUnavailable)
			})
			c := o.client(func(c *Config) { c.Now, c.Retry.Tries = func() time.Time { return now }, 1 })
			for range 2 {
				_, _, err := readRows(c, t.Context(), Successful)
				if hint, ok := RetryAfterHint(err); !ok || hint != 2*time.Minute {
					t.Errorf("the org's clock is %s ahead, told %t: wait %s (%v)", ahead, told, hint, err)
				}
			}
		}
	}
}

func TestKeyPrefix(t *testing.T) {
	for object, want := range map[string]string{"Account": "001", "account": "001", "Lead": "00Q", "Runway__c": "a", "Whatever": ""} {
		if got, ok := KeyPrefix(object); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", object, got, ok)
		}
	}
}

func TestUnreadableRowsAreToldFromAFileThatIsNone(t *testing.T) {
	for _, test := range []struct {
		name, body string
		rows       bool
	}{
		{"a row of another length", "sf__Id,sf__Created,A\ni,true\n", true},
		{"a NUL in a row", "sf__Id,sf__Created,A\ni,true,\x00\n", true},
		{"a header without sf__Id", "sf__Created,A\ntrue,x\n", false},
		{"a NUL in the header", "sf__Id,sf__Created,\x00A\n", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := readRows(newScriptedOrg(t, csvAnswer(test.body)).client(), t.Context(), Successful)
			if !errors.Is(err, ErrMalformed) || errors.Is(err, ErrUnreadableRows) != test.rows {
				t.Fatal(err)
			}
		})
	}
	t.Run("a file beyond its bound", func(t *testing.T) {
		c := newScriptedOrg(t, csvAnswer(successful)).client(func(c *Config) { c.MaxResultBytes = 100 })
		if _, _, err := readRows(c, t.Context(), Successful); !errors.Is(err, ErrTooLarge) || !errors.Is(err, ErrUnreadableRows) {
			t.Fatal(err)
		}
	})
}
