resource "aws_cloudwatch_log_group" "work" {
  name = "types-work"
}
