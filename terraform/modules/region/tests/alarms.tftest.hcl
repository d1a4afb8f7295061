# Alarms: what, on what, when, and what silence means. Topics and dimensions that AWS names are checked after apply by
# terraform/tests/state_checks.py.

provider "aws" {
  region = "eu-west-1"
}

variables {
  environment  = "staging"
  region       = "eu-west-1"
  network      = { cidr = "10.10.0.0/16" }
  domain       = "hello.example.com"
  service      = { image = "ghcr.io/hello-you/hello-you@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  github_user  = "octo"
  github_token = "planted-github-token"
}

run "each_alarm_says_what_silence_means" {
  command = plan

  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.treat_missing_data } == {
      "hello-you-staging-db-cpu"                  = "breaching"
      "hello-you-staging-db-storage"              = "breaching"
      "hello-you-staging-db-connections"          = "breaching"
      "hello-you-staging-db-lag"                  = "notBreaching"
      "hello-you-staging-db-slow-queries"         = "notBreaching"
      "hello-you-staging-db-replica-cpu"          = "breaching"
      "hello-you-staging-db-replica-storage"      = "breaching"
      "hello-you-staging-db-replica-connections"  = "breaching"
      "hello-you-staging-db-replica-lag"          = "notBreaching"
      "hello-you-staging-db-replica-slow-queries" = "notBreaching"
      "service-cpu"                               = "notBreaching"
      "service-memory"                            = "notBreaching"
      "alb-5xx"                                   = "notBreaching"
      "target-5xx"                                = "notBreaching"
      "latency-p99"                               = "notBreaching"
      "unhealthy-hosts"                           = "notBreaching"
      "none-healthy"                              = "breaching"
    }
    error_message = "the alarms must be exactly these, each with its own reading of missing data"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.running_below_desired.treat_missing_data == "breaching"
    error_message = "silence about the tasks must not pass for health"
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : length(alarm.alarm_description) > 20])
    error_message = "each alarm must say why it matters"
  }
}

run "each_alarm_has_a_name_of_its_own" {
  command = plan

  assert {
    condition     = length(distinct([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name])) == length(aws_cloudwatch_metric_alarm.this)
    error_message = "two alarms of one name would be one alarm"
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : startswith(alarm.alarm_name, "hello-you-staging-") && !startswith(alarm.alarm_name, "hello-you-staging-hello-you")])
    error_message = "names must begin with the system's, once"
  }
}

run "thresholds_follow_the_variables" {
  command = plan

  variables {
    alarms   = { database_cpu_percent = 70, database_free_gib = 10, replica_lag_seconds = 30, slow_queries = 5, p99_seconds = 0.5, errors_5xx = 3 }
    database = { max_connections = 200 }
  }

  assert {
    condition = {
      for name in ["hello-you-staging-db-cpu", "hello-you-staging-db-storage", "hello-you-staging-db-connections", "hello-you-staging-db-lag", "hello-you-staging-db-slow-queries", "latency-p99", "target-5xx", "none-healthy"] :
      name => aws_cloudwatch_metric_alarm.this[name].threshold
      } == {
      "hello-you-staging-db-cpu"          = 70
      "hello-you-staging-db-storage"      = 10737418240
      "hello-you-staging-db-connections"  = 160
      "hello-you-staging-db-lag"          = 30
      "hello-you-staging-db-slow-queries" = 5
      "latency-p99"                       = 0.5
      "target-5xx"                        = 3
      "none-healthy"                      = 1
    }
    error_message = "each threshold must be the given one, storage in bytes, connections as a part of max_connections"
  }
}

run "database_and_service_alarms_watch_this_system" {
  command = plan

  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.this : alarm.dimensions == tomap({ DBInstanceIdentifier = startswith(name, "hello-you-staging-db-replica-") ? "hello-you-staging-db-replica" : "hello-you-staging-db" }) if alarm.namespace == "AWS/RDS"])
    error_message = "database alarms must watch the instance in their name"
  }

  assert {
    condition     = alltrue([for name in ["service-cpu", "service-memory"] : aws_cloudwatch_metric_alarm.this[name].dimensions == tomap({ ClusterName = "hello-you-staging", ServiceName = "hello-you-staging" })])
    error_message = "service alarms must watch this cluster's service"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["latency-p99"].extended_statistic == "p99"
    error_message = "latency must be the 99th percentile"
  }
}

run "slow_queries_are_counted_in_the_database_log" {
  command = plan

  assert {
    condition = { for instance, filter in aws_cloudwatch_log_metric_filter.slow_queries : filter.metric_transformation[0].name => filter.log_group_name } == {
      "SlowQueries-hello-you-staging-db"         = "/aws/rds/instance/hello-you-staging-db/postgresql"
      "SlowQueries-hello-you-staging-db-replica" = "/aws/rds/instance/hello-you-staging-db-replica/postgresql"
    }
    error_message = "each instance's log must be counted under the name that its alarm reads"
  }

  assert {
    condition = alltrue([
      for instance, filter in aws_cloudwatch_log_metric_filter.slow_queries :
      aws_cloudwatch_metric_alarm.this["${instance}-slow-queries"].metric_name == filter.metric_transformation[0].name &&
      aws_cloudwatch_metric_alarm.this["${instance}-slow-queries"].namespace == filter.metric_transformation[0].namespace
    ])
    error_message = "the alarm must read the metric that the filter writes"
  }
}

run "every_log_group_is_kept_as_long_as_asked" {
  command = plan

  variables {
    log_retention_days = 90
    load_balancer      = { waf = true }
  }

  assert {
    condition     = alltrue([for group in concat([aws_cloudwatch_log_group.service, aws_cloudwatch_log_group.flow], values(aws_cloudwatch_log_group.database), values(aws_cloudwatch_log_group.waf)) : group.retention_in_days == 90])
    error_message = "each log group must have the retention"
  }
}

run "mail_goes_to_whom_it_should" {
  command = plan

  variables {
    alarms = { email = "ops@example.com" }
  }

  assert {
    condition     = [for subscription in aws_sns_topic_subscription.email : "${subscription.protocol}:${subscription.endpoint}"] == ["email:ops@example.com"]
    error_message = "the address must be subscribed"
  }
}
