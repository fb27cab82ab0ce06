"""Sorts real sentences by the kind of reply that they get: rules over words, first match wins.

`kind_of` names a key of UNKNOWN in talk_zh.py and talk_en.py, "heard" for a
statement, or None for a sentence that the dialogues treat elsewhere.
"""
import re

ZH = [(kind, re.compile(words)) for kind, words in [
    (None, "我叫|名字|^(你好|您好|嗨|喂|谢谢|再见|早上好|晚安|对不起|抱歉)|你是谁|机器人|聊天|你能做|笑话|死|杀|癌|去世|葬|生病|住院|病了"),
    ("translate", "翻译|(英语|英文|日语|法语)(怎么说|怎么写|是什么)|用英语"),
    ("code", "代码|编程|编译|[Pp]ython|[Jj]ava|C\\+\\+|SQL|[Ll]inux|函数"),
    ("weather", "天气|下雨吗|下雪|气温|多少度|台风|雾霾|紫外线|带伞"),
    ("time", "现在几点|几点了|星期几|几号了|今天.*(几号|日期)|万年历"),
    ("media", "图片|照片|头像|画一|画个"),
    ("news", "股价|股票|股份|油价|汇率|新闻|收盘|行情|上证|限行|航班|车次|火车|机票|高铁|快递|比分|世界杯|赛事"),
    ("write", "作文|造句|写一|读后感|对联|诗|祝福语|签名|说说"),
    ("math", "等于(多少|几)|\\d+ ?[+*/×÷-] ?\\d+|方程|平方|求解|几分之"),
    ("command", "播放|放一|来一首|来段|来个|打开|关闭|关掉|关一下|关机|调到|调为|调频|空调|频道|电视台|卫视|闹钟|提醒我|打电话|发短信|查寻|查询|查看|查一?下|邮件|导航|搜索|搜一?下|听|^(请|帮我|帮忙|给我|把)"),
    ("health", "孕妇|怀孕|吃什么药|药|症状|医院|减肥|宝宝|婴儿|咳嗽|发烧|皮肤|月经|疼|痛"),
    ("advice", "贷款|法律|法院|合同|离婚|社保|公积金|赔偿|理财|保险"),
    ("recommend", "推荐|介绍几|哪个牌子|什么牌子|哪款|哪家|(好|合适)(吗|呢|不好|点)?[？?]?$|有什么好|求"),
    ("howto", "怎么(?!样)|如何|怎样|咋"),
    ("fact", "什么|谁|哪|多少|几|为什么|怎么样|吗[？?]?$|呢[？?]$|区别|意思|[？?]"),
    ("heard", "^.{4,}[。.]?$")]]

EN = [(kind, re.compile(words, re.I)) for kind, words in [
    (None, "\\bmy name|^(hi|hello|hey|thanks|thank|bye|good (morning|night)|sorry)\\b|who (are|made) you|your name|\\bjoke|\\bdie|dead|kill|cancer|\\bsick|\\bill\\b|funeral|hospital|what can (you|i)|what are you|robot|\\bai\\b|chatbot"),
    ("translate", "translat|how (do|would) (you|i) say|in (french|spanish|chinese|german|japanese|italian)\\b"),
    ("code", "python|java|\\bsql\\b|regex|\\bcode\\b|program|function|\\bhelm\\b|javascript|compile"),
    ("weather", "weather|\\brain\\b|forecast|temperature|degrees|humid|\\bsnow"),
    ("time", "what time|what day|today'?s date|the time in|time is it|what date is"),
    ("math", "square root|\\d+ ?[-+*/x] ?\\d+|plus|minus|divided|multipl|percent of|how many .* in a"),
    ("news", "news|stock|exchange rate|flight|track my|price of|dollars? in|order (get|arrive)|status of"),
    ("command", "^(please|can you|could you|i need you to|i want you to|play|set|add|turn|call|remind|tell me|read|show|schedule|book|order|find|switch|change|move|give me|let me know|open|close|stop|put|make|check|freeze|bring|send|take)\\b|alarm|timer|playlist|reminder|calendar|to ?-?do|meeting|shopping list|flip a coin|next song"),
    ("advice", "account|credit|bank|insurance|tax|loan|payment|bill|balance|paycheck|salary|card|401k|visa"),
    ("health", "vaccin|symptom|nutrition|calorie|medicine|doctor|\\bpain\\b|healthy"),
    ("recommend", "recommend|suggest|best |should i (buy|eat|watch|wear|get)"),
    ("howto", "how (do|can|to|should|would) |recipe|directions|instructions|is it (okay|ok) to|can i "),
    ("fact", "^(what|who|where|when|which|why|how|is|are|was|were|did|does|do|has|have|will)\\b|\\?$|stand for|capital|define|meaning"),
    ("heard", "^.{8,}$")]]


def kind_of(text, code):
    for kind, words in ZH if code == "zh" else EN:
        if words.search(text):
            return kind
    return None
