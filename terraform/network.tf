data "aws_availability_zones" "this" {
  #checkov:skip=CKV_AWS_394:Zones are never taken away, and a new one comes last; three of them are used.
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  # Three zones; a subnet is a sixteenth of the VPC, which leaves room for as many again.
  zones = slice(sort(data.aws_availability_zones.this.names), 0, 3)
  subnets = {
    for index, zone in local.zones : zone => cidrsubnet(var.vpc_cidr, 4, index)
  }

  # Answers come to the ports that Linux chooses for what it asks.
  ephemeral_ports = { from = 32768, to = 65535 }

  # A network ACL knows no connections, so the answers to what is allowed out are allowed in. S3 and DynamoDB are
  # reached through gateway endpoints under their public addresses, which no rule of an ACL can name.
  network_acl_rules = merge(
    {
      inside-in    = { number = 100, is_egress = false, cidr = var.vpc_cidr, from = 0, to = 65535 }
      inside-out   = { number = 100, is_egress = true, cidr = var.vpc_cidr, from = 0, to = 65535 }
      answers-in   = { number = 900, is_egress = false, cidr = "0.0.0.0/0", from = local.ephemeral_ports.from, to = local.ephemeral_ports.to }
      services-out = { number = 900, is_egress = true, cidr = "0.0.0.0/0", from = 443, to = 443 }
    },
    { for index, cidr in var.onprem_cidrs : "database-out-${cidr}" => {
      number = 200 + index, is_egress = true, cidr = cidr, from = var.onprem_db.port, to = var.onprem_db.port
    } },
    { for index, cidr in var.onprem_cidrs : "database-in-${cidr}" => {
      number = 200 + index, is_egress = false, cidr = cidr, from = local.ephemeral_ports.from, to = local.ephemeral_ports.to
    } },
  )
}

resource "aws_vpc" "this" {
  cidr_block = var.vpc_cidr
  # Both, or the private names of interface endpoints do not resolve.
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = local.prefix }
}

# Nobody uses it, so it lets nothing through.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${local.prefix}-default" }
}

# Private: there is no internet gateway and no NAT.
resource "aws_subnet" "private" {
  for_each = local.subnets

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = each.value

  tags = { Name = "${local.prefix}-private-${each.key}" }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${local.prefix}-private" }
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private.id
}

resource "aws_network_acl" "private" {
  vpc_id     = aws_vpc.this.id
  subnet_ids = [for subnet in aws_subnet.private : subnet.id]

  tags = { Name = "${local.prefix}-private" }
}

resource "aws_network_acl_rule" "private" {
  for_each = local.network_acl_rules

  network_acl_id = aws_network_acl.private.id
  rule_number    = each.value.number
  egress         = each.value.is_egress
  protocol       = "tcp"
  rule_action    = "allow"
  cidr_block     = each.value.cidr
  from_port      = each.value.from
  to_port        = each.value.to
}
