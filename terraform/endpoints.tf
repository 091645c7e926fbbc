locals {
  # What the jobs move goes through these two, which cost nothing.
  gateway_endpoints = toset(["s3", "dynamodb"])

  endpoint_subnets = slice([for zone in local.zones : aws_subnet.private[zone].id], 0, var.interface_endpoint_zones)
}

resource "aws_vpc_endpoint" "gateway" {
  for_each = local.gateway_endpoints

  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.private.id]

  tags = { Name = "${local.prefix}-${each.key}" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = var.interface_endpoints

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = local.endpoint_subnets
  security_group_ids  = [aws_security_group.this["endpoints"].id]

  tags = { Name = "${local.prefix}-${each.key}" }
}
