package pipeline_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead/libs/pipeline"
	"bulkhead/libs/record"
)

// document writes a definition: the head that all share, the lines given, and a map.
func document(lines string, mappings ...string) string {
	text := "apiVersion: bulkhead/v1\nkind: Pipeline\nname: things\norg: main\nobject: Thing__c\n" + lines + "map:\n"
	for _, m := range mappings {
		text += "  - {" + m + "}\n"
	}
	return text
}

const (
	mapExt   = "from: id, to: Ext__c, type: string, required: true"
	mapID    = "from: sf_id, to: Id, type: id"
	mapName  = "from: name, to: Name, type: string"
	mapPrice = "from: price, to: Price__c, type: number"
	mapAt    = "from: at, to: At__c, type: datetime"

	correlated = "operation: insert\ncorrelation: Ext__c\nkey: [event]\n"
	byContent  = "operation: insert\ncorrelation: content\nkey: [event]\n"
)

func operationSeeds() []string {
	return []string{
		document(correlated, mapExt, mapName), document(byContent, mapName, mapPrice),
		document("operation: update\nexternalId: Id\n", mapName, mapID), document("operation: update\nexternalId: Ext__c\nrecords: whole\n", mapExt, mapName),
		document("operation: delete\nexternalId: Id\n", mapID), document("operation: delete\nexternalId: Ext__c\nversion: at\n", mapExt),
		document("operation: upsert\nexternalId: Ext__c\nversion: meta.at\nowner: CRM\ncontact: crm@example.com\ndependsOn: [a, b]\n", mapExt, mapName),
	}
}

func TestOperations(t *testing.T) {
	for _, c := range []struct {
		name, lines     string
		mappings        []string
		header          string
		keyField, space string
		// facts are the methods that answer yes.
		facts string
	}{
		{
			"an upsert finds its row by the external id", "operation: upsert\nexternalId: Ext__c\n",
			[]string{mapName, mapExt},
			"Ext__c Name", "Ext__c", "main/Thing__c/Ext__c", "merges",
		},
		{
			"an update by Id sends ids", "operation: update\nexternalId: Id\n",
			[]string{mapName, mapID},
			"Id Name", "Id", "main/Thing__c/Id:exact", "exact merges",
		},
		{
			"an update by another field resolves it", "operation: update\nexternalId: Ext__c\n",
			[]string{mapName, mapExt},
			"Ext__c Name", "Ext__c", "main/Thing__c/Ext__c", "resolves merges",
		},
		{
			"a delete by Id sends ids", "operation: delete\nexternalId: Id\n",
			[]string{mapID},
			"Id", "Id", "main/Thing__c/Id:exact", "exact merges",
		},
		{
			"a delete by another field resolves it", "operation: delete\nexternalId: Ext__c\n",
			[]string{mapExt},
			"Ext__c", "Ext__c", "main/Thing__c/Ext__c", "resolves merges",
		},
		{
			"an insert is matched by its correlating field and never merged", correlated,
			[]string{mapName, mapExt},
			"Ext__c Name", "Ext__c", "main/Thing__c/Ext__c", "",
		},
		{
			"an insert by content has no key field and a space of its own", byContent,
			[]string{mapName, mapExt},
			"Name Ext__c", "", "main/Thing__c/content-things:exact", "exact content",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := define(t, document(c.lines, c.mappings...))
			var facts []string
			for _, f := range []struct {
				name string
				yes  bool
			}{{"exact", d.Exact()}, {"content", d.Content()}, {"resolves", d.Resolves()}, {"merges", d.Merges()}} {
				if f.yes {
					facts = append(facts, f.name)
				}
			}
			if got := strings.Join(d.Header(), " "); got != c.header || d.KeyField() != c.keyField || d.Space() != c.space || strings.Join(facts, " ") != c.facts {
				t.Errorf("%s; %q; %s; %v", got, d.KeyField(), d.Space(), facts)
			}
		})
	}
	t.Run("a field that the org compares exactly makes an exact space", func(t *testing.T) {
		d := define(t, document("operation: upsert\nexternalId: Ext__c\n", mapExt))
		folded := d.EntityHash("a")
		if d.EntityHash("A") != folded {
			t.Error("case counts where it should not")
		}
		d.CaseSensitive = true
		if d.Space() != "main/Thing__c/Ext__c:exact" || d.EntityHash("A") == d.EntityHash("a") || d.EntityHash("a") == folded || d.EntityHash(" a") != d.EntityHash("a") {
			t.Error(d.Space())
		}
	})
	t.Run("either form of an id is one entity", func(t *testing.T) {
		d := define(t, document("operation: delete\nexternalId: Id\n", mapID))
		if d.EntityHash("005000000000AbC") != d.EntityHash("005000000000AbCAAU") || d.EntityHash("005000000000AbC") == d.EntityHash("005000000000Abc") {
			t.Error("they are two")
		}
	})
	t.Run("the words of operations are told", func(t *testing.T) {
		if got := pipeline.Operations(); !slices.Equal(got, []string{"insert", "update", "upsert", "delete", "hardDelete"}) {
			t.Error(got)
		}
	})
	t.Run("people and dependencies are kept", func(t *testing.T) {
		d := define(t, document("operation: upsert\nexternalId: Ext__c\nowner: CRM team\ncontact: crm@example.com\ndependsOn: [accounts, regions]\n", mapExt))
		if d.Owner != "CRM team" || d.Contact != "crm@example.com" || !slices.Equal(d.DependsOn, []string{"accounts", "regions"}) {
			t.Errorf("%+v", d)
		}
	})
	for _, c := range []struct {
		name, lines string
		mappings    []string
		line        int
		says        string
	}{
		{"an insert without a correlation", "operation: insert\n", []string{mapExt}, 1, "or say correlation: content and accept that"},
		{"an insert with an externalId", "operation: insert\nexternalId: Ext__c\ncorrelation: Ext__c\n", []string{mapExt}, 7, "as correlation"},
		{"an insert correlated by Id", "operation: insert\ncorrelation: id\n", []string{mapExt}, 7, "given by Salesforce"},
		{"a correlation by Content", "operation: insert\ncorrelation: Content\n", []string{mapExt}, 7, "small letters"},
		{"a correlation that is no field", "operation: insert\ncorrelation: Account.Ext__c\n", []string{mapExt}, 7, "correlation"},
		{"a correlation that is not mapped", correlated, []string{mapName}, 0, "every row needs its correlation"},
		{"a correlation in another case", correlated, []string{"from: id, to: EXT__c"}, 10, "differ in case"},
		{"a constant correlation", correlated, []string{`const: "x", to: Ext__c`}, 10, "cannot be a constant"},
		{"a date as correlation", correlated, []string{"from: id, to: Ext__c, type: date"}, 10, "text or numbers"},
		{"an insert that fills Id", correlated, []string{mapExt, mapID}, 11, "gives a new row its Id"},
		{"an insert by content that fills Id", byContent, []string{mapName, mapID}, 11, "gives a new row its Id"},
		{"an insert with a version", correlated + "version: at\n", []string{mapExt}, 9, "version: an insert"},
		{"an insert of whole records", correlated + "records: whole\n", []string{mapExt}, 9, "for upsert and update"},
		{"a correlation of an upsert", "operation: upsert\nexternalId: Ext__c\ncorrelation: Ext__c\n", []string{mapExt}, 8, "for insert"},
		{"a correlation of a delete", "operation: delete\nexternalId: Ext__c\ncorrelation: content\n", []string{mapExt}, 8, "for insert"},
		{"an upsert without an externalId", "operation: upsert\n", []string{mapExt}, 1, "externalId is missing"},
		{"an update without an externalId", "operation: update\n", []string{mapExt}, 1, "Id, or the API name"},
		{"an upsert by Id", "operation: upsert\nexternalId: Id\n", []string{mapID}, 7, "operation: update"},
		{"an update by id", "operation: update\nexternalId: id\n", []string{mapID}, 7, "the org writes Id"},
		{"an update by Id that does not fill it", "operation: update\nexternalId: Id\n", []string{mapName}, 0, "fills no column Id"},
		{"an Id that is text", "operation: update\nexternalId: Id\n", []string{"from: sf_id, to: Id", mapName}, 9, "say type: id"},
		{"an update by a field that also fills Id", "operation: update\nexternalId: Ext__c\n", []string{mapExt, mapID}, 10, "found by Ext__c"},
		{"a delete with a surplus column", "operation: delete\nexternalId: Id\n", []string{mapID, mapName}, 10, "map only Id"},
		{"a delete with a constant", "operation: delete\nexternalId: Ext__c\n", []string{mapExt, `const: "x", to: Source__c`}, 10, "map only Ext__c"},
		{"a delete of whole records", "operation: delete\nexternalId: Id\nrecords: whole\n", []string{mapID}, 8, "for upsert and update"},
		{"a word for records that is none", "operation: upsert\nexternalId: Ext__c\nrecords: all\n", []string{mapExt}, 8, "patch, whole"},
		{"a version that is no path", "operation: upsert\nexternalId: Ext__c\nversion: a..b\n", []string{mapExt}, 8, "no member"},
		{"a version that is a list", "operation: upsert\nexternalId: Ext__c\nversion: [a]\n", []string{mapExt}, 8, "text"},
		{"a version that is the entity", "operation: upsert\nexternalId: Ext__c\nversion: id\n", []string{mapExt}, 8, "never changes"},
		{"a version that is the whole key", "operation: upsert\nexternalId: Ext__c\nversion: at\nkey: [at]\n", []string{mapExt}, 8, "name the row in key too"},
		{"a version inside a mapped value", "operation: upsert\nexternalId: Ext__c\nversion: name.at\n", []string{mapExt, mapName}, 8, "object"},
		{"a key that is the entity", "operation: upsert\nexternalId: Ext__c\nkey: [id]\n", []string{mapExt}, 8, "name version too"},
		{"a key that is the entity of a delete", "operation: delete\nexternalId: Id\nkey: [sf_id]\n", []string{mapID}, 8, "name version too"},
		{"a blank owner", "operation: upsert\nexternalId: Ext__c\nowner: \" \"\n", []string{mapExt}, 8, "owner is blank"},
		{"a contact that is too long", "operation: upsert\nexternalId: Ext__c\ncontact: " + strings.Repeat("x", 201) + "\n", []string{mapExt}, 8, "at most 200"},
		{"a contact on two lines", "operation: upsert\nexternalId: Ext__c\ncontact: \"a\\nb\"\n", []string{mapExt}, 8, "control character"},
		{"a dependency on itself", "operation: upsert\nexternalId: Ext__c\ndependsOn: [things]\n", []string{mapExt}, 8, "on itself"},
		{"a dependency twice", "operation: upsert\nexternalId: Ext__c\ndependsOn: [a, a]\n", []string{mapExt}, 8, "twice"},
		{"a dependency that is no name", "operation: upsert\nexternalId: Ext__c\ndependsOn: [A.b]\n", []string{mapExt}, 8, "no name of a pipeline"},
		{"too many dependencies", "operation: upsert\nexternalId: Ext__c\ndependsOn: [" + pipelineNames(33) + "]\n", []string{mapExt}, 8, "at most 32"},
		{"a word where a list of dependencies should be", "operation: upsert\nexternalId: Ext__c\ndependsOn: a\n", []string{mapExt}, 8, "list"},
	} {
		t.Run(c.name+" is refused with its line", func(t *testing.T) {
			_, _, err := pipeline.ParseDefinition([]byte(document(c.lines, c.mappings...)))
			var at *pipeline.Error
			if !errors.As(err, &at) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v", err)
			}
			if c.line != 0 && at.Line != c.line {
				t.Errorf("line %d, want %d: %v", at.Line, c.line, err)
			}
			if n := len(strings.Split(err.Error(), "\n")); n != 1 {
				t.Errorf("one mistake makes %d problems: %v", n, err)
			}
		})
	}
	for _, c := range []struct {
		name, lines string
		mappings    []string
		says        []string
	}{
		{"an upsert by a text", "operation: upsert\nexternalId: Ext__c\n", []string{mapExt, mapName}, nil},
		{"an insert with a key and a correlating field", correlated, []string{mapExt}, nil},
		{"an insert whose key is what correlates it", "operation: insert\ncorrelation: Ext__c\nkey: [id]\n", []string{mapExt}, nil},
		{"an insert without key members", "operation: insert\ncorrelation: Ext__c\n", []string{mapExt}, []string{"key is not named"}},
		{"an insert by content", byContent, []string{mapName}, []string{"until a person decides"}},
		{"whole records", "operation: upsert\nexternalId: Ext__c\nrecords: whole\n", []string{mapExt, mapName}, []string{"cleared in the org"}},
		{"whole records whose empty strings are kept", "operation: upsert\nexternalId: Ext__c\nrecords: whole\nemptyString: keep\n", []string{mapExt, mapName}, []string{"cleared in the org", "it clears the field as null does"}},
		{"whole records whose empty strings are null", "operation: upsert\nexternalId: Ext__c\nrecords: whole\nemptyString: \"null\"\n", []string{mapExt, mapName}, []string{"cleared in the org"}},
		{"an update of nothing", "operation: update\nexternalId: Id\n", []string{mapID}, []string{"changes no field"}},
		{"a key that is the entity, with a version", "operation: upsert\nexternalId: Ext__c\nkey: [id]\nversion: at\n", []string{mapExt}, nil},
		{"a version that is part of the key", "operation: upsert\nexternalId: Ext__c\nkey: [id, at]\nversion: at\n", []string{mapExt}, nil},
		{"a version that is mapped too", "operation: upsert\nexternalId: Ext__c\nversion: at\n", []string{mapExt, mapAt}, nil},
	} {
		t.Run(c.name+" is allowed, and what is worth a look is said", func(t *testing.T) {
			_, warnings, err := pipeline.ParseDefinition([]byte(document(c.lines, c.mappings...)))
			if err != nil || len(warnings) != len(c.says) {
				t.Fatalf("%v, %v", warnings, err)
			}
			for i, w := range warnings {
				if !strings.Contains(w.Text, c.says[i]) {
					t.Error(w.Text)
				}
			}
		})
	}
}

func pipelineNames(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("p%d", i))
	}
	return strings.Join(out, ", ")
}

func TestMapOperations(t *testing.T) {
	for _, c := range []struct {
		name, lines string
		mappings    []string
		body        string
		code        string
		cells       []string
		entity      string
	}{
		{"an update by Id sends the long form of the id", "operation: update\nexternalId: Id\n", []string{mapName, mapID}, `{"sf_id":"005000000000AbC","name":"x"}`, "", []string{"005000000000AbCAAU", "x"}, "005000000000AbCAAU"},
		{"an update without its Id", "operation: update\nexternalId: Id\n", []string{mapName, mapID}, `{"name":"x"}`, record.CodeMissingExternalID, nil, ""},
		{"an update whose Id is null", "operation: update\nexternalId: Id\n", []string{mapName, mapID}, `{"sf_id":null,"name":"x"}`, record.CodeMissingExternalID, nil, ""},
		{"an update whose Id is empty", "operation: update\nexternalId: Id\nemptyString: keep\n", []string{mapName, mapID}, `{"sf_id":"","name":"x"}`, record.CodeMissingExternalID, nil, ""},
		{"an update whose Id was damaged", "operation: update\nexternalId: Id\n", []string{mapName, mapID}, `{"sf_id":"005000000000AbCAAA"}`, record.CodeWrongType, nil, ""},
		{"an update by another field", "operation: update\nexternalId: Ext__c\n", []string{mapName, mapExt}, `{"id":"a","name":null}`, "", []string{"a", pipeline.Null}, "a"},
		{"a delete", "operation: delete\nexternalId: Ext__c\n", []string{mapExt}, `{"id":"a"}`, "", []string{"a"}, "a"},
		{"a delete without its key", "operation: delete\nexternalId: Ext__c\nunknownMembers: ignore\n", []string{mapExt}, `{"x":1}`, record.CodeMissingExternalID, nil, ""},
		{"an insert", correlated, []string{mapName, mapExt}, `{"event":"e","id":"a"}`, "", []string{"a", ""}, "a"},
		{"an insert without what correlates it", correlated, []string{mapName, mapExt}, `{"event":"e","name":"x"}`, record.CodeMissingExternalID, nil, ""},
		{"an insert without its key", correlated, []string{mapName, mapExt}, `{"id":"a"}`, record.CodeMissingKey, nil, "a"},
		{"an insert by content has no entity", byContent, []string{mapName, mapPrice}, `{"event":"e","price":1.50}`, "", []string{"", "1.50"}, ""},
		{"an insert by content may begin with null", byContent, []string{mapName, mapPrice}, `{"event":"e","name":null}`, "", []string{pipeline.Null, ""}, ""},
		{"an insert by content of an empty string", byContent, []string{mapName, mapPrice}, `{"event":"e","name":""}`, record.CodeUnrepresentable, nil, ""},
		{"an insert by content that fills nothing", byContent, []string{mapName, mapPrice}, `{"event":"e"}`, record.CodeEmptyObject, nil, ""},
		{"an insert by content of constants alone", byContent, []string{mapName, `const: "Web", to: Source__c`}, `{"event":"e"}`, "", []string{"", "Web"}, ""},
		{"a required member of an insert by content", byContent, []string{"from: name, to: Name, required: true"}, `{"event":"e"}`, record.CodeWrongType, nil, ""},
		{"an upsert that carries an Id", "operation: upsert\nexternalId: Ext__c\n", []string{mapExt}, `{"id":"a","Id":"005000000000AbC"}`, record.CodeUnknownMember, nil, "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, r := define(t, document(c.lines, c.mappings...)).Map([]byte(c.body))
			if c.code != "" {
				if r == nil || r.Code != c.code || r.Entity != c.entity {
					t.Fatalf("%+v", r)
				}
				return
			}
			if r != nil || !slices.Equal(m.Cells, c.cells) || m.Entity != c.entity {
				t.Fatalf("%+v %+v", m, r)
			}
			for i, cell := range m.Cells {
				if contains(m.Named, i) != (cell != "") {
					t.Errorf("column %d: %v", i, m.Named)
				}
			}
		})
	}
}

func TestMapWholeRecords(t *testing.T) {
	const lines = "operation: upsert\nexternalId: Ext__c\nrecords: whole\n"
	for _, c := range []struct{ name, lines, body, cells, code string }{
		{"what is absent is cleared", lines, `{"id":"a"}`, "a|#N/A|#N/A", ""},
		{"what is there stays", lines, `{"id":"a","name":"x","price":7}`, "a|x|7", ""},
		{"null clears, as ever", lines, `{"id":"a","name":null,"price":7}`, "a|#N/A|7", ""},
		{"an empty string that says nothing is absent", lines + "emptyString: keep\n", `{"id":"a","name":"","price":7}`, "a|#N/A|7", ""},
		{"an empty string is refused all the same", lines, `{"id":"a","name":""}`, "", record.CodeUnrepresentable},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, r := define(t, document(c.lines, mapExt, mapName, mapPrice)).Map([]byte(c.body))
			if c.code != "" {
				if r == nil || r.Code != c.code {
					t.Fatalf("%+v", r)
				}
				return
			}
			if r != nil || strings.Join(m.Cells, "|") != c.cells || !slices.Equal(m.Named, []int{0, 1, 2}) {
				t.Fatalf("%+v %+v", m, r)
			}
		})
	}
	t.Run("a required member must still be there", func(t *testing.T) {
		_, r := define(t, document(lines, mapExt, "from: name, to: Name, required: true")).Map([]byte(`{"id":"a"}`))
		if r == nil || r.Code != record.CodeWrongType {
			t.Fatalf("%+v", r)
		}
	})
}

func TestMapVersions(t *testing.T) {
	const lines = "operation: upsert\nexternalId: Ext__c\nversion: meta.at\n"
	d := define(t, document(lines, mapExt))
	of := func(t *testing.T, at string) record.Version {
		t.Helper()
		m, r := d.Map([]byte(`{"id":"a","meta":{"at":` + at + `}}`))
		if r != nil || m.Version == nil {
			t.Fatalf("%s: %+v", at, r)
		}
		return m.Version
	}
	t.Run("numbers and date-times are ordered, whether in quotes or not", func(t *testing.T) {
		rising := []string{"-1", "9", `"10"`, "9007199254740993", `"9007199254740994"`, `"2026-01-31T09:30:00Z"`, `"2026-01-31T09:30:00.1Z"`}
		for i := range rising[1:] {
			if of(t, rising[i]).Compare(of(t, rising[i+1])) >= 0 {
				t.Errorf("%s is not older than %s", rising[i], rising[i+1])
			}
		}
	})
	for name, at := range map[string]string{
		"null": "null", "an object": "{}", "an array": "[1]", "a boolean": "true", "an empty text": `""`, "a word": `"new"`, "a date without a zone": `"2026-01-31T09:30:00"`,
		"a number that is too long": strings.Repeat("1", 2000), "an exponent beyond all": "1e9999999999",
	} {
		t.Run(name+" as version is refused with the member named", func(t *testing.T) {
			m, r := d.Map([]byte(`{"id":"a","meta":{"at":` + at + `}}`))
			if r == nil || r.Code != record.CodeWrongType || !slices.Equal(r.Fields, []string{"meta.at"}) || !strings.Contains(r.Message, "meta.at") || r.Entity != "a" || m.Version != nil {
				t.Fatalf("%+v", r)
			}
		})
	}
	t.Run("an absent version is refused", func(t *testing.T) {
		if _, r := d.Map([]byte(`{"id":"a"}`)); r == nil || r.Code != record.CodeWrongType {
			t.Fatalf("%+v", r)
		}
	})
	t.Run("a version that is no text is refused for that", func(t *testing.T) {
		if _, r := d.Map([]byte("{\"id\":\"a\",\"meta\":{\"at\":\"\xff\"}}")); r == nil || r.Code != record.CodeBadUTF8 {
			t.Fatalf("%+v", r)
		}
	})
	t.Run("a version that is mapped too fills its column", func(t *testing.T) {
		m, r := define(t, document("operation: upsert\nexternalId: Ext__c\nversion: at\n", mapExt, mapAt)).Map([]byte(`{"id":"a","at":"2026-01-31T09:30:00Z"}`))
		if r != nil || m.Cells[1] != "2026-01-31T09:30:00Z" || m.Version == nil {
			t.Fatalf("%+v %+v", m, r)
		}
	})
	t.Run("a definition that names none gives none", func(t *testing.T) {
		m, _ := define(t, widgets).Map([]byte(`{"id":"a"}`))
		if m.Version != nil {
			t.Errorf("%x", m.Version)
		}
	})
	t.Run("where the key is the entity, the version is part of the key", func(t *testing.T) {
		versioned := define(t, document("operation: upsert\nexternalId: Ext__c\nkey: [id]\nversion: at\n", mapExt, mapName))
		key := func(body string) string {
			m, r := versioned.Map([]byte(body))
			if r != nil {
				t.Fatal(r)
			}
			return m.Key
		}
		if !versioned.KeyIsVersioned() || d.KeyIsVersioned() {
			t.Error("the definition does not say so")
		}
		if got := key(`{"id":"a|b","at":7}`); got != `a\|b|7` {
			t.Error(got)
		}
		if key(`{"id":"a","at":1}`) == key(`{"id":"a","at":2}`) || key(`{"id":"a","at":1}`) != key(`{"at":1,"id":"a","name":"x"}`) {
			t.Error("versions are not told apart")
		}
		if _, r := versioned.Map([]byte(`{"id":"a"}`)); r == nil || r.Code != record.CodeWrongType || r.Key != "" {
			t.Errorf("%+v", r)
		}
	})
}

func FuzzMapOperations(f *testing.F) {
	for _, body := range []string{
		"", "{}", `{"id":"a","event":"e","name":null,"price":1.50,"sf_id":"005000000000AbC","at":"2026-01-31T09:30:00Z"}`, `{"id":"a","at":-1e9}`,
		`{"name":"#N/A"}`, "{\"id\":\"\xff\"}", `{"id":"\u0000"}`, "\xef\xbb\xbf{\"event\":\"e\"}", "\x1f\x8b", `{"id":"a","id":"b"}`, "[]", `{"id":"a","event":"e","name":"\r\r\n\n\r"}`, `{"id":{"a":[1]}}`,
	} {
		for i := range len(operationSeeds()) {
			f.Add(i, []byte(body))
		}
	}
	var definitions []*pipeline.Definition
	for _, text := range operationSeeds() {
		definitions = append(definitions, define(f, text+"unknownMembers: ignore\n"), define(f, text))
	}
	room := pipeline.NewRoom()
	f.Fuzz(func(t *testing.T, which int, body []byte) {
		d := definitions[uint(which)%uint(len(definitions))]
		m, r := d.Map(body)
		shared, sharedRefusal := d.MapIn(room, body)
		if diff := cmp.Diff(m, shared) + cmp.Diff(r, sharedRefusal); diff != "" {
			t.Fatal(diff)
		}
		if r != nil {
			if !slices.Contains(record.RefusalCodes(), r.Code) || r.Message == "" || r.Content == (record.Hash{}) {
				t.Fatalf("%+v", r)
			}
			return
		}
		if len(m.Cells) != len(d.Header()) || !slices.IsSorted(m.Named) || (m.Entity == "") != d.Content() || (m.Version == nil) != (d.Version == nil) ||
			(m.Key == "") != (d.Key == nil) || len(m.Named) == 0 || d.Whole && len(m.Named) != len(m.Cells) {
			t.Fatalf("%+v", m)
		}
		for i, cell := range m.Cells {
			if contains(m.Named, i) != (cell != "") || strings.ContainsRune(cell, 0) || strings.Contains(cell, "\r\n") {
				t.Fatalf("column %d is %q, named are %v", i, cell, m.Named)
			}
		}
		again, r := d.Map(body)
		if r != nil || again.Content != m.Content || d.EntityHash(again.Entity) != d.EntityHash(m.Entity) {
			t.Fatalf("%+v, then %+v", m, again)
		}
	})
}

func TestAChunkLeavesRoomForTheIdsThatItsRowsAreSentWith(t *testing.T) {
	const chunk = "chunk: {rows: 1000, bytes: 100MB}\n"
	for _, c := range []struct {
		name, lines string
		mapping     string
		want        int64
	}{
		{"an update by a field that is looked up", "operation: update\nexternalId: Ext__c\n" + chunk, mapExt, 100_000_000 - 18_000},
		{"a delete in chunks that are small anyway", "operation: delete\nexternalId: Ext__c\nchunk: {rows: 1000, bytes: 2MB}\n", mapExt, 2_000_000},
		{"an upsert, which sends its key", "operation: upsert\nexternalId: Ext__c\n" + chunk, mapExt, 100_000_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, _, err := pipeline.ParseDefinition([]byte(document(c.lines, c.mapping)))
			if err != nil {
				t.Fatal(err)
			}
			if got := d.ChunkBytes(); got != c.want {
				t.Errorf("%d bytes, want %d", got, c.want)
			}
		})
	}
}
