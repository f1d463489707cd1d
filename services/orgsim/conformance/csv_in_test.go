package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"bulkhead/services/orgsim/internal/switches"
)

var insertText = spec{"object": "Conf_Text__c", "operation": "insert"}

// with is a spec with other members.
func (s spec) with(members ...string) spec {
	out := spec{}
	for k, v := range s {
		out[k] = v
	}
	for i := 0; i < len(members); i += 2 {
		out[members[i]] = members[i+1]
	}
	return out
}

// stored is what an org holds in some fields of the record with a key of this run; nil when there is no such record.
func (o *org) stored(object, key string, fields ...string) map[string]any {
	o.t.Helper()
	query := fmt.Sprintf("SELECT %s FROM %s WHERE Conf_Key__c = '%s'", strings.Join(fields, ", "), object, o.key(key))
	page := decode[struct {
		Records []map[string]any `json:"records"`
	}](o.t, o.want(o.call("GET", data+"/query?q="+url.QueryEscape(query), ""), http.StatusOK))
	if len(page.Records) != 1 {
		return nil
	}
	return page.Records[0]
}

// csv is a CSV of columns that begin with the key; the first value of each row becomes a key of this run.
func (o *org) csv(header string, rows ...string) string {
	var b strings.Builder
	b.WriteString(header + "\n")
	for _, r := range rows {
		key, rest, more := strings.Cut(r, ",")
		b.WriteString(o.key(key))
		if more {
			b.WriteString("," + rest)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// ends fails the test unless a job ended in a state with so many rows processed and failed.
func (o *org) ends(info map[string]any, state string, processed, failed float64) {
	o.t.Helper()
	if info["state"] != state || info["numberRecordsProcessed"] != processed || info["numberRecordsFailed"] != failed {
		o.t.Errorf("got %v, want %s with %v rows, %v of them failed", info, state, processed, failed)
	}
}

func TestCSVHeader(t *testing.T) {
	t.Run("a byte order mark is part of the first name", func(t *testing.T) {
		o := theOrg(t)
		id, info := o.process(insertAccount, "\ufeff"+o.csv("Conf_Key__c,Name", "bom,A"))
		if info["state"] != "Failed" || info["errorMessage"] != "InvalidBatch : Field name not found : \ufeffConf_Key__c" {
			t.Errorf("got %v", info)
		}
		if got := o.file(id, unprocessed); !strings.HasPrefix(got, "\ufeffConf_Key__c,Name\n") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("names are found whatever their case", func(t *testing.T) {
		o := theOrg(t)
		_, info := o.process(insertAccount, o.csv("CONF_key__C,nAME,phone", "case,Any Case,123"))
		o.ends(info, "JobComplete", 1, 0)
		if got := o.stored("Account", "case", "Name", "Phone"); got["Name"] != "Any Case" || got["Phone"] != "123" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a column whose case differs comes back blank", func(t *testing.T) {
		o := theOrg(t)
		id, _ := o.process(insertAccount, o.csv("Conf_Key__c,Name,phone", "blank1,A,123", "blank2,,456"))
		good, bad := o.rows(id, successful), o.rows(id, failed)
		if len(good) != 1 || good[0]["Name"] != "A" || good[0]["phone"] != "" || len(bad) != 1 || bad[0]["Conf_Key__c"] != o.key("blank2") || bad[0]["phone"] != "" {
			t.Errorf("got %v and %v", good, bad)
		}
		for _, name := range []string{successful, failed} {
			if header, _, _ := strings.Cut(o.file(id, name), "\n"); !strings.HasSuffix(header, ",Conf_Key__c,Name,phone") {
				t.Errorf("%s begins %q", name, header)
			}
		}
	})
	t.Run("a column of the sender's own fails the whole job", func(t *testing.T) {
		o := theOrg(t)
		id, info := o.process(insertAccount, o.csv("Conf_Key__c,Name,my_row_id", "own,A,1"))
		if info["state"] != "Failed" || info["errorMessage"] != "InvalidBatch : Field name not found : my_row_id" {
			t.Errorf("got %v", info)
		}
		if got := o.rows(id, unprocessed); len(got) != 1 || o.stored("Account", "own", "Id") != nil {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a space makes it another name", func(t *testing.T) {
		o := theOrg(t)
		if _, info := o.process(insertAccount, o.csv("Conf_Key__c, Name", "space,A")); info["errorMessage"] != "InvalidBatch : Field name not found :  Name" {
			t.Errorf("got %v", info)
		}
	})
	t.Run("names may be quoted", func(t *testing.T) {
		o := theOrg(t)
		_, info := o.process(insertAccount, o.csv(`"Conf_Key__c","Name"`, "quotedheader,A"))
		o.ends(info, "JobComplete", 1, 0)
	})
	t.Run("another delimiter than the job's makes one unknown name of all", func(t *testing.T) {
		o := theOrg(t)
		if _, info := o.process(insertAccount, "Conf_Key__c;Name\nx;A\n"); info["errorMessage"] != "InvalidBatch : Field name not found : Conf_Key__c;Name" {
			t.Errorf("got %v", info)
		}
	})
	t.Run("more than 32,000 characters fail the whole job", func(t *testing.T) {
		o := theOrg(t)
		_, info := o.process(insertAccount, o.csv("Conf_Key__c,"+strings.Repeat("N", 32_000), "long,A"))
		o.ends(info, "Failed", 0, 0)
	})
}

func TestCSVValues(t *testing.T) {
	read := []string{"Conf_Line__c", "Conf_A__c"}
	t.Run("quotes are needed around delimiters, quotes and line breaks, and quotes are doubled", func(t *testing.T) {
		o := theOrg(t)
		_, info := o.process(insertText, o.csv("Conf_Key__c,Conf_Line__c,Conf_A__c", `quotes,"a,b ""c""","one`+"\n"+`two"`))
		o.ends(info, "JobComplete", 1, 0)
		if got := o.stored("Conf_Text__c", "quotes", read...); got["Conf_Line__c"] != `a,b "c"` || got["Conf_A__c"] != "one\ntwo" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a value goes on until the delimiter, with its spaces", func(t *testing.T) {
		o := theOrg(t)
		id, info := o.process(insertText, o.csv("Conf_Key__c,Conf_Line__c,Conf_A__c", "trim,John, Smith"))
		o.ends(info, "JobComplete", 1, 0)
		if row := o.rows(id, successful)[0]; row["Conf_A__c"] != " Smith" || row["Conf_Line__c"] != "John" {
			t.Errorf("got %q", row)
		}
	})
	t.Run("a space outside quotes fails that row and no other", func(t *testing.T) {
		o := theOrg(t)
		id, info := o.process(insertText, o.csv("Conf_Key__c,Conf_Line__c,Conf_A__c", `outer1,"John", "Smith"`, `outer2,"John" ,Smith`, `outer3,"John","Smith"`))
		o.ends(info, "JobComplete", 3, 2)
		if good := o.rows(id, successful); len(good) != 1 || good[0]["Conf_Key__c"] != o.key("outer3") {
			t.Errorf("got %v", good)
		}
		if bad := o.rows(id, failed); len(bad) != 2 {
			t.Errorf("got %v", bad)
		}
	})
	t.Run("a quote inside a value without quotes fails that row and no other", func(t *testing.T) {
		o := theOrg(t)
		_, info := o.process(insertText, o.csv("Conf_Key__c,Conf_Line__c", `inner1,5" disk`, `inner2,"5"" disk"`))
		o.ends(info, "JobComplete", 2, 1)
	})
	t.Run("another number of values than the header has fails that row and no other", func(t *testing.T) {
		o := theOrg(t)
		_, info := o.process(insertText, o.csv("Conf_Key__c,Conf_Line__c", "count1", "count2,a,b", "count3,a"))
		o.ends(info, "JobComplete", 3, 2)
	})
	t.Run("empty in quotes is as empty as without", func(t *testing.T) {
		o := theOrg(t)
		_, info := o.process(insertText, o.csv("Conf_Key__c,Conf_Line__c,Conf_A__c", "empty,a,b"))
		o.ends(info, "JobComplete", 1, 0)
		upsert := spec{"object": "Conf_Text__c", "operation": "upsert", "externalIdFieldName": "Conf_Key__c"}
		_, info = o.process(upsert, o.csv("Conf_Key__c,Conf_Line__c,Conf_A__c", `empty,"",`))
		o.ends(info, "JobComplete", 1, 0)
		if got := o.stored("Conf_Text__c", "empty", read...); got["Conf_Line__c"] != "a" || got["Conf_A__c"] != "b" {
			t.Errorf("got %v", got)
		}
		_, info = o.process(upsert, o.csv("Conf_Key__c,Conf_Line__c,Conf_A__c", "empty,#N/A,"))
		o.ends(info, "JobComplete", 1, 0)
		if got := o.stored("Conf_Text__c", "empty", read...); got["Conf_Line__c"] != nil || got["Conf_A__c"] != "b" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("the last line needs no break, and blank lines are no rows", func(t *testing.T) {
		o := theOrg(t)
		_, info := o.process(insertText, strings.TrimSuffix(o.csv("Conf_Key__c,Conf_Line__c", "lines1,a")+"\n\n"+o.key("lines2")+",b\n", "\n"))
		o.ends(info, "JobComplete", 2, 0)
	})
	t.Run("a blank line under a single column is no row either", func(t *testing.T) {
		o := theOrg(t)
		id, info := o.process(insertText, o.csv("Conf_Key__c", "single1")+"\n"+o.key("single2")+"\n")
		o.ends(info, "JobComplete", 2, 0)
		if got := o.rows(id, successful); len(got) != 2 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("letters of every kind come back as they were", func(t *testing.T) {
		o := theOrg(t)
		const text = "Zoë 日本 😀 ½"
		id, info := o.process(insertText, o.csv("Conf_Key__c,Conf_Line__c", "letters,"+text))
		o.ends(info, "JobComplete", 1, 0)
		if row := o.rows(id, successful)[0]; row["Conf_Line__c"] != text || o.stored("Conf_Text__c", "letters", read...)["Conf_Line__c"] != text {
			t.Errorf("got %q", row)
		}
	})
	t.Run("bytes that are no UTF-8 fail at most their row, and result files are UTF-8 all the same", func(t *testing.T) {
		o := aSim(t)
		id, info := o.process(insertText, o.csv("Conf_Key__c,Conf_Line__c", "bytes1,Zo\xeb", "bytes2,b"))
		o.ends(info, "JobComplete", 2, 1)
		if bad := o.rows(id, failed); len(bad) != 1 || bad[0]["Conf_Line__c"] != "Zo\ufffd" || !strings.HasPrefix(bad[0]["sf__Error"], "TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET:") {
			t.Errorf("got %q", bad)
		}
	})
}

func TestCSVDelimiters(t *testing.T) {
	for name, d := range map[string]string{"COMMA": ",", "TAB": "\t", "PIPE": "|", "SEMICOLON": ";", "CARET": "^", "BACKQUOTE": "`"} {
		t.Run("values are parted as columnDelimiter says: "+name, func(t *testing.T) {
			o := theOrg(t)
			key := o.key("delimiter-" + strings.ToLower(name))
			_, info := o.process(insertText.with("columnDelimiter", name),
				strings.Join([]string{"Conf_Key__c", "Conf_Line__c", "Conf_A__c"}, d)+"\n"+strings.Join([]string{key, `"a` + d + `b"`, "c"}, d)+"\n")
			o.ends(info, "JobComplete", 1, 0)
			if got := o.stored("Conf_Text__c", "delimiter-"+strings.ToLower(name), "Conf_Line__c", "Conf_A__c"); got["Conf_Line__c"] != "a"+d+"b" || got["Conf_A__c"] != "c" {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestCSVLimits(t *testing.T) {
	const field = 131_072
	t.Run("a value may have 131,072 characters", func(t *testing.T) {
		o := theOrg(t)
		// Characters of several bytes, so that it is characters that count.
		_, info := o.process(insertText, o.csv("Conf_Key__c,Conf_A__c", "field1,"+strings.Repeat("é", field), "field2,"+strings.Repeat("x", field+1), "field3,a"))
		o.ends(info, "JobComplete", 3, 1)
		if o.stored("Conf_Text__c", "field1", "Id") == nil || o.stored("Conf_Text__c", "field2", "Id") != nil {
			t.Error("the wrong one failed")
		}
	})
	t.Run("a row may have 400,000 characters", func(t *testing.T) {
		o := theOrg(t)
		long := strings.Repeat("x", 100_000)
		_, info := o.process(insertText, o.csv("Conf_Key__c,Conf_A__c,Conf_B__c,Conf_C__c,Conf_D__c",
			"record1,"+long+","+long+","+long+","+long[:99_000], "record2,"+long+","+long+","+long+","+long, "record3,a,b,c,d"))
		o.ends(info, "JobComplete", 3, 1)
		if o.stored("Conf_Text__c", "record1", "Id") == nil || o.stored("Conf_Text__c", "record2", "Id") != nil {
			t.Error("the wrong one failed")
		}
	})
}

func TestCSVLineEnds(t *testing.T) {
	const wrongEnding = "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is "
	for _, ending := range []string{"LF", "CRLF"} {
		other := map[string]string{"LF": "CRLF", "CRLF": "LF"}[ending]
		ends := map[string]string{"LF": "\n", "CRLF": "\r\n"}
		t.Run("lines that end otherwise than lineEnding says fail the whole job: "+ending, func(t *testing.T) {
			o := theOrg(t)
			good, bad := o.csv("Conf_Key__c,Conf_Line__c", "ends-"+ending+",a"), o.csv("Conf_Key__c,Conf_Line__c", "ends-not-"+ending+",a")
			_, info := o.process(insertText.with("lineEnding", ending), strings.ReplaceAll(good, "\n", ends[ending]))
			o.ends(info, "JobComplete", 1, 0)
			id, info := o.process(insertText.with("lineEnding", ending), strings.ReplaceAll(bad, "\n", ends[other]))
			o.ends(info, "Failed", 0, 0)
			if info["errorMessage"] != wrongEnding+ending || len(o.rows(id, unprocessed)) != 1 {
				t.Errorf("got %v", info)
			}
		})
		for _, tc := range []struct {
			position    switches.Position
			same, other bool // passes
		}{
			{switches.NewlinesSame, true, false}, {switches.NewlinesAny, true, true}, {switches.NewlinesNone, false, false},
		} {
			t.Run("line breaks inside quotes pass as the switch says: "+ending+" "+string(tc.position), func(t *testing.T) {
				o := aSim(t)
				o.sim.Move(switches.EmbeddedNewlines, tc.position)
				for inside, passes := range map[string]bool{ending: tc.same, other: tc.other} {
					content := strings.ReplaceAll(o.csv("Conf_Key__c,Conf_A__c", "in-"+inside+`,"a|b"`), "\n", ends[ending])
					_, info := o.process(insertText.with("lineEnding", ending), strings.ReplaceAll(content, "|", ends[inside]))
					if passes {
						o.ends(info, "JobComplete", 1, 0)
						if got := o.stored("Conf_Text__c", "in-"+inside, "Conf_A__c"); got["Conf_A__c"] != "a"+ends[inside]+"b" {
							t.Errorf("got %q", got)
						}
					} else if o.ends(info, "Failed", 0, 0); info["errorMessage"] != wrongEnding+ending {
						t.Errorf("got %v", info)
					}
				}
			})
		}
	}
}
