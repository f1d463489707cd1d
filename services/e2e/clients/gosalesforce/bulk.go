package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"sort"
	"time"

	"github.com/k-capehart/go-salesforce/v3"
)

const (
	looking = 20 * time.Millisecond
	patient = time.Minute
)

// results waits until a job is done: the library tells nothing but its state before that.
func results(sf *salesforce.Salesforce, job string) (salesforce.BulkJobResults, error) {
	for until := time.Now().Add(patient); ; time.Sleep(looking) {
		res, err := sf.GetJobResults(job)
		if err != nil || res.State == "JobComplete" || res.State == "Failed" || res.State == "Aborted" {
			return res, err
		}
		if time.Now().After(until) {
			return res, fmt.Errorf("job %s is still %s", job, res.State)
		}
	}
}

// told says what became of jobs.
func told(sf *salesforce.Salesforce, step string, jobs []string, err error) (landed []string) {
	said := map[string]any{"error": text(err), "jobs": len(jobs)}
	ok, failed, states := 0, []string{}, map[string]int{}
	for _, job := range jobs {
		res, err := results(sf, job)
		if err != nil {
			said["error"] = err.Error()
			continue
		}
		states[res.State]++
		if res.ErrorMessage != "" {
			said["message"] = res.ErrorMessage
		}
		ok += len(res.SuccessfulRecords)
		for _, r := range res.SuccessfulRecords {
			landed = append(landed, fmt.Sprint(r["sf__Id"]))
		}
		for _, r := range res.FailedRecords {
			failed = append(failed, fmt.Sprint(r["sf__Error"]))
		}
	}
	sort.Strings(failed)
	said["ok"], said["failed"], said["states"] = ok, failed, states
	say(step, said)
	return landed
}

// bulk loads by jobs: plain, in several jobs, from a file, and compressed.
func bulk() error {
	sf, err := connect()
	if err != nil {
		return err
	}
	jobs, err := sf.InsertBulk("Contact", many(250, "B", ""), 100, false)
	landed := told(sf, "insert", jobs, err)

	packed, err := connect(salesforce.WithCompressionHeaders(true))
	if err != nil {
		return err
	}
	jobs, err = packed.UpsertBulk("Contact", "External_Id__c", many(120, "B", "Ann"), 10000, false)
	told(packed, "upsert, compressed", jobs, err)

	file := "update.csv"
	if err := write(file, append([][]string{{"Id", "FirstName"}}, []string{landed[0], "Bo"}, []string{"003000000000000AAA", "Nobody"})); err != nil {
		return err
	}
	jobs, err = sf.UpdateBulkFile("Contact", file, 10000, false)
	told(sf, "update of a file", jobs, err)

	type id struct{ Id string }
	jobs, err = sf.DeleteBulk("Contact", []id{{landed[0]}, {landed[1]}}, 10000, false)
	told(sf, "delete", jobs, err)
	jobs, err = sf.DeleteBulk("Contact", []id{{landed[0]}}, 10000, true)
	told(sf, "delete again, waiting", jobs, err)

	type odd struct{ LastName, Nickname string }
	jobs, err = sf.InsertBulk("Contact", []odd{{"Alder", "A"}}, 10000, false)
	told(sf, "column that is none", jobs, err)
	_, err = sf.InsertBulk("Nothing__c", []contact{{LastName: "Alder"}}, 10000, false)
	say("object that is none", map[string]any{"error": text(err)})
	_, err = sf.UpsertBulk("Contact", "LastName", []contact{{LastName: "Alder"}}, 10000, false)
	say("key that is none", map[string]any{"error": text(err)})
	return nil
}

func write(file string, lines [][]string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return csv.NewWriter(f).WriteAll(lines)
}

// query reads: in pages over REST, and by a job into a file.
func query() error {
	sf, err := connect()
	if err != nil {
		return err
	}
	type account struct{ Name string }
	type row struct {
		Id, LastName, External_Id__c string
		Account                      account
	}
	var found []row
	err = sf.Query("SELECT Id, LastName, External_Id__c, Account.Name FROM Contact ORDER BY External_Id__c", &found)
	pages := map[string]any{"error": text(err), "rows": len(found)}
	if len(found) > 0 {
		pages["first"] = []string{found[0].External_Id__c, found[0].LastName, found[0].Account.Name}
	}
	say("pages", pages)
	newer, err := connect(salesforce.WithAPIVersion("v66.0"))
	if err != nil {
		return err
	}
	say("pages of another version", map[string]any{"error": text(newer.Query("SELECT Id FROM Contact", &found))})

	type fields struct {
		Id       string `soql:"selectColumn,fieldName=Id" json:"Id"`
		LastName string `soql:"selectColumn,fieldName=LastName" json:"LastName"`
	}
	type criteria struct {
		LastName string `soql:"equalsOperator,fieldName=LastName"`
	}
	type statement struct {
		Select fields   `soql:"selectClause,tableName=Contact"`
		Where  criteria `soql:"whereClause"`
	}
	var one []fields
	err = sf.QueryStruct(statement{Where: criteria{LastName: "Alder 7"}}, &one)
	say("struct", map[string]any{"error": text(err), "rows": len(one)})

	say("export", exported(sf.QueryBulkExport("SELECT Id, LastName, Account.Name FROM Contact", "export.csv"), "export.csv"))
	packed, err := connect(salesforce.WithCompressionHeaders(true))
	if err != nil {
		return err
	}
	say("export, compressed", exported(packed.QueryBulkExport("SELECT Id, LastName, Account.Name FROM Contact", "packed.csv"), "packed.csv"))
	say("unknown field", map[string]any{"error": text(sf.Query("SELECT Nickname FROM Contact", &found))})
	say("unknown field in a job", map[string]any{"error": text(sf.QueryBulkExport("SELECT Nickname FROM Contact", "none.csv"))})
	return nil
}

func exported(err error, file string) map[string]any {
	out := map[string]any{"error": text(err)}
	if err != nil {
		return out
	}
	f, err := os.Open(file)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil || len(lines) == 0 {
		return map[string]any{"error": fmt.Sprint(err)}
	}
	return map[string]any{"error": "", "rows": len(lines) - 1, "header": lines[0]}
}
