package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// page is one page of a query.
type page struct {
	TotalSize int              `json:"totalSize"`
	Done      bool             `json:"done"`
	Next      string           `json:"nextRecordsUrl"`
	Records   []map[string]any `json:"records"`
}

func queryPath(soql string) string { return data + "/query?q=" + url.QueryEscape(soql) }

// ask runs a query and returns its first page.
func (o *org) ask(soql string, change ...func(*http.Request)) page {
	o.t.Helper()
	return decode[page](o.t, o.want(o.call("GET", queryPath(soql), "", change...), http.StatusOK))
}

func batchSize(n int) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Sforce-Query-Options", fmt.Sprintf("batchSize=%d", n)) }
}

// fill inserts n accounts of a group.
func (o *org) fill(n int, group string) {
	o.t.Helper()
	var b strings.Builder
	b.WriteString("Name,Conf_Group__c\n")
	for i := range n {
		_, _ = fmt.Fprintf(&b, "n%d,%s\n", i, group)
	}
	if _, info := o.process(spec{"object": "Account", "operation": "insert"}, b.String()); info["state"] != "JobComplete" {
		o.t.Fatalf("got %v", info)
	}
}

func TestQuery(t *testing.T) {
	o := theOrg(t)
	t.Run("an answer tells the whole number, whether it is done, and each record with its type and path", func(t *testing.T) {
		id := o.put("Account", spec{"Name": "Found", "Conf_Key__c": o.key("found")})
		a := o.want(o.call("GET", queryPath("SELECT Id, Name, Phone FROM Account WHERE Conf_Key__c = '"+o.key("found")+"'"), ""), http.StatusOK)
		want := `{"totalSize":1,"done":true,"records":[{"attributes":{"type":"Account","url":"` + objects + "Account/" + id + `"},"Id":"` + id + `","Name":"Found","Phone":null}]}`
		if a.body != want {
			t.Errorf("got  %s\nwant %s", a.body, want)
		}
	})
	t.Run("more than 2,000 records come in pages, each with the path of the next but the last", func(t *testing.T) {
		o.fill(2_100, o.key("pages"))
		first := o.ask("SELECT Id FROM Account WHERE Conf_Group__c = '" + o.key("pages") + "'")
		if first.Done || len(first.Records) > 2_000 || first.TotalSize != 2_100 {
			t.Fatalf("%d records of %d, done %v", len(first.Records), first.TotalSize, first.Done)
		}
		if !regexp.MustCompile(`^` + data + `/query/0r8[A-Za-z0-9]{15}-[0-9]+$`).MatchString(first.Next) {
			t.Errorf("got %s", first.Next)
		}
		seen := map[any]bool{}
		for p := first; ; {
			for _, r := range p.Records {
				seen[r["Id"]] = true
			}
			if p.Done {
				if p.Next != "" {
					t.Errorf("the last page leads to %s", p.Next)
				}
				break
			}
			p = decode[page](t, o.want(o.call("GET", p.Next, ""), http.StatusOK))
		}
		if len(seen) != 2_100 {
			t.Errorf("%d records in all pages", len(seen))
		}
		if p := o.ask("SELECT Id FROM Account WHERE Conf_Group__c = '"+o.key("pages")+"'", batchSize(5_000)); p.Done || len(p.Records) != 2_000 {
			t.Errorf("%d records of 5,000 that were asked for", len(p.Records))
		}
		again := decode[page](t, o.want(o.call("GET", first.Next, ""), http.StatusOK))
		if len(again.Records) == 0 {
			t.Error("a locator is good for one page only")
		}
	})
	t.Run("a page may be as small as 200 and no smaller", func(t *testing.T) {
		o.fill(450, o.key("small"))
		for _, size := range []int{200, 1} {
			if p := o.ask("SELECT Id FROM Account WHERE Conf_Group__c = '"+o.key("small")+"'", batchSize(size)); p.Done || len(p.Records) != 200 || p.TotalSize != 450 {
				t.Errorf("batchSize %d: %d records", size, len(p.Records))
			}
		}
	})
	t.Run("queryAll has the records of the recycle bin too", func(t *testing.T) {
		gone := o.put("Account", spec{"Name": "x", "Conf_Group__c": o.key("bin")})
		o.put("Account", spec{"Name": "y", "Conf_Group__c": o.key("bin")})
		o.none(o.call("DELETE", objects+"Account/"+gone, ""), http.StatusNoContent)
		soql := "SELECT Id, IsDeleted FROM Account WHERE Conf_Group__c = '" + o.key("bin") + "'"
		if p := o.ask(soql); p.TotalSize != 1 || p.Records[0]["IsDeleted"] != false {
			t.Errorf("query got %+v", p)
		}
		all := decode[page](t, o.want(o.call("GET", data+"/queryAll?q="+url.QueryEscape(soql), ""), http.StatusOK))
		if all.TotalSize != 2 || (all.Records[0]["IsDeleted"] == all.Records[1]["IsDeleted"]) {
			t.Errorf("queryAll got %+v", all)
		}
	})
	t.Run("a locator that leads nowhere is refused", func(t *testing.T) {
		o.refused(o.call("GET", data+"/query/0r8000000000000AAA-2000", ""), http.StatusBadRequest, "INVALID_QUERY_LOCATOR")
	})
	t.Run("columns=true answers with the columns instead of the rows", func(t *testing.T) {
		a := o.want(o.call("GET", queryPath("SELECT Id, Account.Name FROM Contact")+"&columns=true", ""), http.StatusOK)
		got := decode[struct {
			ColumnMetadata []struct {
				ColumnName  string `json:"columnName"`
				ApexType    string `json:"apexType"`
				JoinColumns []struct {
					ColumnName string `json:"columnName"`
					TextType   bool   `json:"textType"`
				} `json:"joinColumns"`
			} `json:"columnMetadata"`
			EntityName string `json:"entityName"`
			IDSelected bool   `json:"idSelected"`
			KeyPrefix  string `json:"keyPrefix"`
		}](t, a)
		if c := got.ColumnMetadata; got.EntityName != "Contact" || !got.IDSelected || got.KeyPrefix != "003" || len(c) != 2 || c[0].ColumnName != "Id" || c[0].ApexType != "Id" ||
			c[1].ColumnName != "Account" || len(c[1].JoinColumns) != 1 || c[1].JoinColumns[0].ColumnName != "Name" || !c[1].JoinColumns[0].TextType {
			t.Errorf("got %s", a.body)
		}
		if !strings.Contains(a.body, `{"aggregate":false,"apexType":"Id","booleanType":false,"columnName":"Id","custom":false,"displayName":"Id","foreignKeyName":null,"insertable":false,"joinColumns":[],"numberType":false,"textType":false,"updatable":false}`) {
			t.Errorf("got %s", a.body)
		}
	})
}

func TestQueryLocators(t *testing.T) {
	o := aSim(t)
	o.fill(450, "g")
	t.Run("a locator is good for two days", func(t *testing.T) {
		next := o.ask("SELECT Id FROM Account", batchSize(200)).Next
		o.sim.Advance(48*time.Hour - time.Minute)
		o.signIn()
		o.want(o.call("GET", next, ""), http.StatusOK)
		o.sim.Advance(time.Minute)
		o.signIn()
		o.refused(o.call("GET", next, ""), http.StatusBadRequest, "INVALID_QUERY_LOCATOR")
	})
	t.Run("any number of queries may be open", func(t *testing.T) {
		first := o.ask("SELECT Id FROM Account", batchSize(200)).Next
		for range 120 { // an org allowed ten at a time once
			o.ask("SELECT Id FROM Account", batchSize(200))
		}
		o.want(o.call("GET", first, ""), http.StatusOK)
	})
}
