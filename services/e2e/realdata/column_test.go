package realdata

import (
	"math"
	"strconv"
)

// kind says how a cell comes back from the org.
type kind int

const (
	text   kind = iota // as it is
	number             // the same number, whatever its digits
	flag               // 1 is true, 0 is false
)

// column is what a column of a file is in the org.
type column struct {
	from, field string
	kind        kind
}

// parent is a column of a file that names another row of the org.
type parent struct {
	from, field string // the reference field that comes of it
	object, key string
	file        string // that holds the parents
}

// load is one file and what shall become of it.
type load struct {
	file, pipeline, object string
	column, key            string // the column that names a row, and the org's field for it
	columns                []column
	parents                []parent
}

var (
	countryOf = parent{from: "iso_country", field: "Country__c", object: "Country__c", key: "Code__c", file: "countries"}
	airportOf = parent{from: "airport_ident", field: "Airport__c", object: "Account", key: "Ident__c", file: "airports"}
)

// loads are the files in an order in which parents come first.
var loads = []load{
	{
		file: "countries", pipeline: "countries", object: "Country__c", column: "code", key: "Code__c",
		columns: []column{
			{"id", "Source_Id__c", number},
			{"name", "Name", text},
			{"continent", "Continent__c", text},
			{"wikipedia_link", "Wikipedia__c", text},
			{"keywords", "Keywords__c", text},
		},
	},
	{
		file: "regions", pipeline: "regions", object: "Region__c", column: "code", key: "Code__c",
		parents: []parent{countryOf},
		columns: []column{
			{"id", "Source_Id__c", number},
			{"local_code", "Local_Code__c", text},
			{"name", "Name", text},
			{"continent", "Continent__c", text},
			{"wikipedia_link", "Wikipedia__c", text},
			{"keywords", "Keywords__c", text},
		},
	},
	{
		file: "airports", pipeline: "airports", object: "Account", column: "ident", key: "Ident__c",
		parents: []parent{countryOf},
		columns: []column{
			{"id", "Source_Id__c", number},
			{"type", "Kind__c", text},
			{"name", "Name", text},
			{"latitude_deg", "Latitude__c", number},
			{"longitude_deg", "Longitude__c", number},
			{"elevation_ft", "Elevation__c", number},
			{"continent", "Continent__c", text},
			{"iso_region", "Region_Code__c", text},
			{"municipality", "Municipality__c", text},
			{"scheduled_service", "Scheduled__c", text},
			{"gps_code", "Gps_Code__c", text},
			{"iata_code", "Iata_Code__c", text},
			{"local_code", "Local_Code__c", text},
			{"home_link", "Website", text},
			{"wikipedia_link", "Wikipedia__c", text},
			{"keywords", "Keywords__c", text},
		},
	},
	{
		file: "runways", pipeline: "runways", object: "Runway__c", column: "id", key: "Source_Id__c",
		parents: []parent{airportOf},
		columns: []column{
			{"length_ft", "Length__c", number},
			{"width_ft", "Width__c", number},
			{"surface", "Surface__c", text},
			{"lighted", "Lighted__c", flag},
			{"closed", "Closed__c", flag},
			{"le_ident", "Low_Ident__c", text},
			{"le_latitude_deg", "Low_Latitude__c", number},
			{"le_longitude_deg", "Low_Longitude__c", number},
			{"le_heading_degT", "Low_Heading__c", number},
			{"he_ident", "High_Ident__c", text},
			{"he_latitude_deg", "High_Latitude__c", number},
			{"he_longitude_deg", "High_Longitude__c", number},
			{"he_heading_degT", "High_Heading__c", number},
		},
	},
	{
		file: "airport-frequencies", pipeline: "frequencies", object: "Frequency__c", column: "id", key: "Source_Id__c",
		parents: []parent{airportOf},
		columns: []column{
			{"type", "Kind__c", text},
			{"description", "Description__c", text},
			{"frequency_mhz", "Megahertz__c", number},
		},
	},
	{
		file: "navaids", pipeline: "navaids", object: "Navaid__c", column: "id", key: "Source_Id__c",
		parents: []parent{
			countryOf,
			{from: "associated_airport", field: "Airport__c", object: "Account", key: "Ident__c", file: "airports"},
		},
		columns: []column{
			{"filename", "File__c", text},
			{"ident", "Ident__c", text},
			{"name", "Name", text},
			{"type", "Kind__c", text},
			{"frequency_khz", "Kilohertz__c", number},
			{"latitude_deg", "Latitude__c", number},
			{"longitude_deg", "Longitude__c", number},
			{"elevation_ft", "Elevation__c", number},
			{"magnetic_variation_deg", "Variation__c", number},
			{"usageType", "Usage__c", text},
			{"power", "Power__c", text},
		},
	},
}

// only returns the loads of some pipelines.
func only(pipelines ...string) []load {
	var out []load
	for _, l := range loads {
		for _, p := range pipelines {
			if l.pipeline == p {
				out = append(out, l)
			}
		}
	}
	return out
}

// nearly is how far a number in the org may be from the one in the file: the org rounds to 15 places.
const nearly = 1e-12

// same says whether the org's value of a field is the cell of the file.
func (c column) same(cell, value string) bool {
	switch {
	case cell == "":
		return value == ""
	case c.kind == flag:
		return (cell == "1") == (value == "true")
	case c.kind == number:
		a, errA := strconv.ParseFloat(cell, 64)
		b, errB := strconv.ParseFloat(value, 64)
		return errA == nil && errB == nil && math.Abs(a-b) <= nearly
	default:
		return cell == value
	}
}
