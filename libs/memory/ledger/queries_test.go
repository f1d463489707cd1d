package ledger_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"bulkhead/libs/memory/ledger"
	"bulkhead/libs/testkit"
)

// whole is a database with the schemas of all services.
func whole(t testing.TB) *ledger.DB {
	t.Helper()
	db, err := ledger.Open(testkit.AllMigrations(t)...)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

var (
	argument = regexp.MustCompile(`@(\w+)|sqlc\.n?arg\((\w+)\)`)
	comment  = regexp.MustCompile(`--.*`)
)

// argumentNames are the names of each statement's parameters, in order.
var argumentNames sync.Map

func argumentName(query string, i int) string {
	names, _ := argumentNames.Load(query)
	list, _ := names.([]string)
	if i < len(list) {
		return list[i]
	}
	return ""
}

// queries are the product's named statements, by file and number, with parameters as sqlc writes them.
func queries(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	root := testkit.Root(t)
	for _, dir := range []string{"services", "libs/catalog", "libs/pg/sql"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".sql" || strings.Contains(path, "migrations") || strings.Contains(path, "e2e") {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text := comment.ReplaceAllString(strings.ReplaceAll(string(data), "@schema", "retrier"), "")
			name, _ := filepath.Rel(root, path)
			for i, statement := range strings.Split(text, ";") {
				if strings.TrimSpace(statement) == "" {
					continue
				}
				numbers := map[string]int{}
				var names []string
				full := fmt.Sprintf("%s/%d", name, i+1)
				out[full] = argument.ReplaceAllStringFunc(statement, func(s string) string {
					if numbers[s] == 0 {
						numbers[s] = len(numbers) + 1
						names = append(names, strings.Trim(s[strings.IndexAny(s, "@(")+1:], ")"))
					}
					return fmt.Sprintf("$%d", numbers[s])
				})
				argumentNames.Store(full, names)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestEveryQueryOfTheProductHasAPlan(t *testing.T) {
	t.Parallel()
	db := whole(t)
	all := queries(t)
	if len(all) < 250 {
		t.Fatalf("only %d queries were found", len(all))
	}
	for name, text := range all {
		if err := db.Check(text); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}
