"""A function that knows what things cost."""

PRICES = {"apple": 30, "pear": 45}


def handler(event, context):
    if event["item"] not in PRICES:
        raise ValueError(f"{event['item']} has no price")
    return {"cents": PRICES[event["item"]] * event["count"]}
