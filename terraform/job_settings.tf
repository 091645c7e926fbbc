# What a settings item may hold is defined once, for the jobs and the Lambdas too: in the JSON Schema that is read
# here. ingest.settings_schema reads it likewise, and says the same of an item in the same words.
locals {
  settings_schema = jsondecode(file("${path.module}/../glue_jobs/ingest/job_settings.json")).properties
  settings_defaults = {
    for name, field in local.settings_schema : name => field.default if can(field.default)
  }
  load_modes = { for mode in local.settings_schema.load_mode.oneOf : mode.const => mode }

  # One plain JSON object a file, named after the table it is about; what it leaves out has its default.
  job_settings = {
    for name in fileset(var.fixtures_dir, "job_settings/*.json") :
    trimsuffix(basename(name), ".json") => merge(local.settings_defaults, jsondecode(file("${var.fixtures_dir}/${name}")))
  }

  # JSON tells the type of a value, which Terraform itself converts as it likes.
  json_of_type = {
    array   = "^\\["
    boolean = "^(true|false)$"
    integer = "^-?[0-9]+$"
    null    = "^null$"
    number  = "^-?[0-9]"
    object  = "^\\{"
    string  = "^\""
  }
  settings_choices = {
    for name, field in local.settings_schema : name => [
      for choice in try(field.additionalProperties.oneOf, field.oneOf, []) : choice.const
    ]
  }
  settings_expected = {
    for name, field in local.settings_schema : name => try(
      field.expected,
      "${can(field.additionalProperties) ? "a map to" : "one of"} ${join(", ", local.settings_choices[name])}",
    )
  }
  # Whether a value of a type is more than of that type; each is asked only of values that are.
  settings_within = {
    for table_id, item in local.job_settings : table_id => {
      for name, field in local.settings_schema : name => {
        boolean = true
        null    = true
        integer = try(item[name] >= try(field.minimum, item[name]) && item[name] <= try(field.maximum, item[name]), false)
        number  = try(item[name] >= try(field.minimum, item[name]) && item[name] <= try(field.maximum, item[name]), false)
        object  = try(alltrue([for value in values(item[name]) : contains(local.settings_choices[name], value)]), false)
        string = try(
          length(item[name]) >= try(field.minLength, 0) &&
          can(regex(try(field.pattern, ""), item[name])) &&
          (!can(field.oneOf) || contains(local.settings_choices[name], item[name])),
          false
        )
        array = try(alltrue(flatten([
          for one in item[name] : [
            can(regex(local.json_of_type[field.items.type], jsonencode(one))),
            try(toset(keys(one)) == toset(keys(field.items.properties)), !can(field.items.properties)),
            [
              for key, entry in try(field.items.properties, {}) :
              can(regex(local.json_of_type[entry.type], jsonencode(one[key])))
            ],
          ]
        ])), false)
      }
    }
  }
  settings_problems = {
    for table_id, item in local.job_settings : table_id => concat(
      [for name in keys(item) : "${name} is no setting" if !contains(keys(local.settings_schema), name)],
      [for name in keys(local.settings_schema) : "${name} is missing" if !contains(keys(item), name)],
      [
        for name, field in local.settings_schema : "${name} is not ${local.settings_expected[name]}"
        if contains(keys(item), name) && !anytrue([
          for type in flatten([field.type]) :
          try(can(regex(local.json_of_type[type], jsonencode(item[name]))) && local.settings_within[table_id][name][type], false)
        ])
      ],
      [
        for name in try(local.load_modes[item.load_mode].needs, []) : "load_mode ${item.load_mode} needs ${name}"
        if try(length(item[name]), 0) == 0
      ],
    )
  }
}
