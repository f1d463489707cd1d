package pg

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"
)

func TestScramVerifier(t *testing.T) {
	t.Parallel()
	t.Run("derives the keys of RFC 7677's example exchange", func(t *testing.T) {
		t.Parallel()
		salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
		if err != nil {
			t.Fatal(err)
		}
		got, err := scramVerifierWith("pencil", salt)
		want := "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
		if err != nil || got != want {
			t.Fatalf("got %s, %v", got, err)
		}
	})
	t.Run("refuses what would need to be normalised first", func(t *testing.T) {
		t.Parallel()
		for _, password := range []string{"", "pässword", "tab\there", "nul\x00"} {
			if _, err := scramVerifier(password); err == nil || (password != "" && strings.Contains(err.Error(), password)) {
				t.Errorf("scramVerifier(%q) gave %v; want an error without the password", password, err)
			}
		}
	})
}

func TestWithinBytes(t *testing.T) {
	t.Parallel()
	t.Run("takes the longest beginning within the bytes, and never nothing", rapid.MakeCheck(func(t *rapid.T) {
		sizes := rapid.SliceOf(rapid.Custom(func(t *rapid.T) outboxSize {
			return outboxSize{ID: rapid.Int64().Draw(t, "id"), Size: rapid.IntRange(0, 100).Draw(t, "size")}
		})).Draw(t, "sizes")
		limit := rapid.IntRange(0, 300).Draw(t, "limit")
		ids := withinBytes(sizes, limit)
		total := 0
		for i, id := range ids {
			if id != sizes[i].ID {
				t.Fatalf("id %d is not the beginning's", i)
			}
			total += sizes[i].Size
		}
		if len(sizes) > 0 && len(ids) == 0 {
			t.Fatal("a message that is too large alone would never be sent")
		}
		if total > limit && len(ids) > 1 {
			t.Fatalf("%d bytes, limit %d", total, limit)
		}
		if len(ids) < len(sizes) && total+sizes[len(ids)].Size <= limit {
			t.Fatal("one more would have fitted")
		}
	}))
}

func TestCommitError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err     error
		unknown bool
	}{
		"knows that a refused commit did not happen":           {&pgconn.PgError{Code: "23505"}, false},
		"knows that a rolled back commit did not happen":       {pgx.ErrTxCommitRollback, false},
		"does not know after a broken connection":              {errors.New("unexpected EOF"), true},
		"does not know after the server was told to shut down": {&pgconn.PgError{Code: "57P01"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := commitError("x.y", c.err)
			if errors.Is(err, ErrCommitUnknown) != c.unknown || !errors.Is(err, c.err) || !strings.HasPrefix(err.Error(), "x.y: ") {
				t.Fatalf("got %v", err)
			}
			if isContended(err) {
				t.Fatal("it would be run again")
			}
		})
	}
}

func TestCompareVersions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		has, newest int64
		want        error
	}{
		"accepts the same version":              {3, 3, nil},
		"accepts a database one ahead":          {4, 3, nil},
		"refuses a database two ahead":          {5, 3, ErrSchemaNewer},
		"refuses a database behind":             {2, 3, ErrSchemaOlder},
		"refuses a database with nothing in it": {0, 1, ErrSchemaOlder},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := compareVersions("ops", c.has, c.newest); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}
