"""A simulated Alipay: gateway.do with its pages, books, notices and bills."""
