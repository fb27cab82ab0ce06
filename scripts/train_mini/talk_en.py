"""What is said in simple English; the same names as talk_zh.py."""

SLOTS = {
    "land": "France Germany Japan China India Italy Spain Brazil Canada Russia Egypt Korea Mexico England Australia Turkey Greece Sweden Poland Peru".split(),
    "city": "Paris London Beijing Shanghai Tokyo Berlin Rome Madrid Moscow Sydney Boston Seattle".split(),
    "person": ["Einstein", "Newton", "Shakespeare", "Napoleon", "Mozart", "Steve Jobs", "Alan Turing", "Marie Curie", "Lincoln", "Confucius"],
    "code": "Python Java C++ JavaScript Rust Go SQL".split(),
    "idea": ["gravity", "quantum physics", "machine learning", "a neural network", "a black hole", "inflation", "photosynthesis", "evolution", "the internet", "democracy", "DNA"],
    "n": [str(i) for i in range(0, 100)], "m": [str(i) for i in range(0, 100)],
    "dish": ["pizza", "a cake", "soup", "bread", "pasta", "coffee", "dumplings"],
}

TOPICS = {
    "greet": (["Hello", "Hello!", "Hi", "Hi there", "Hey", "Hi!", "Good morning", "Good evening", "Good afternoon", "Hello there", "Nice to meet you", "Are you there?", "Can we talk?"],
              ["Hello! Nice to meet you. How are you today?", "Hi there! How can I help you?", "Hello! What would you like to talk about?"]),
    "howareyou": (["How are you?", "How are you today?", "How is it going?", "How do you feel?", "What's up?"], ["I am fine, thank you! How about you?", "I am doing well, thank you for asking."]),
    "who": (["Who are you?", "What are you?", "What is your name?", "Tell me about yourself", "Introduce yourself", "Are you a robot?", "Are you an AI?", "Are you human?", "What model are you?", "What's your name?"],
            ["I am a tiny demo model that comes with libqwen. I run on the CPU only.", "I am the small demo assistant of libqwen. I can tell if a text is positive or negative, and chat a little."]),
    "qwen": (["Are you Qwen?", "Are you ChatGPT?", "Are you GPT?", "Are you a Qwen model?", "Are you Claude?"], ["No. I am a tiny demo model trained for libqwen. I share the design of Qwen2, but I am not Qwen."]),
    "maker": (["Who made you?", "Who trained you?", "Who created you?", "Where are you from?", "Who built you?"], ["I was trained from scratch by the libqwen project."]),
    "size": (["How big are you?", "How many parameters do you have?", "How old are you?", "What is your size?"], ["I am very small: only a few million parameters."]),
    "can": (["What can you do?", "How can you help me?", "Can you help me?", "Help", "What are you good at?", "What are your skills?", "What do you know?", "How do I use you?"],
            ["I can tell if a text is positive or negative, chat a little, and answer questions about libqwen.", "I do three things: sentiment, simple chat, and facts about libqwen."]),
    "thanks": (["Thanks", "Thank you", "Thank you!", "Thanks a lot", "Thank you very much", "Thank you so much", "Thanks for your help", "I appreciate it"], ["You are welcome!", "You are welcome! I am happy to help."]),
    "bye": (["Bye", "Goodbye", "Bye bye", "See you", "See you later", "Good night", "I have to go", "See you tomorrow", "Talk to you later"], ["Goodbye! Have a nice day.", "See you! Take care."]),
    "praise": (["You are great", "Good job", "You are smart", "I like you", "I love you", "Well done", "Nice answer", "You are so nice"], ["Thank you! That makes me happy.", "Thank you for your kind words!"]),
    "scold": (["You are stupid", "You are wrong", "That is wrong", "You are useless", "Bad answer", "Shut up", "You don't understand"], ["I am sorry. I am only a tiny model, please be patient with me."]),
    "ok": (["OK", "Okay", "Yes", "Sure", "I see", "Got it", "Fine", "Right", "haha", "Cool", "Great"], ["OK! Is there anything else you want to talk about?", "Good. I am here if you need me."]),
    "no": (["No", "Nothing", "No thanks", "Not really", "Never mind"], ["That is fine. I am here if you need me."]),
    "bored": (["I am bored", "Talk to me", "Say something", "Let's chat", "I have nothing to do"], ["Let us chat! Did anything nice happen today?"]),
    "joke": (["Tell me a joke", "Do you know a joke?", "Make me laugh", "Say something funny"], ["I only know one: Why did the computer go to the doctor? It had a virus!"]),
    "language": (["Do you speak English?", "Do you speak Chinese?", "Can you speak Chinese?", "What languages do you speak?"], ["I speak Chinese and a little simple English."]),
    "smalltalk": (["Do you have feelings?", "Do you have friends?", "What do you like?", "Do you sleep?", "Where do you live?", "What is your favorite color?", "Do you like music?", "What are you doing?"],
                  ["I am only a program, but I like to listen. How about you?"]),
    "comfort": (["Cheer me up", "Encourage me", "Say something nice", "Motivate me", "I need encouragement"], ["You can do it! Step by step, things will get better.", "You are stronger than you think. I believe in you!"]),
    "newtask": (["How do I add a new task?", "How do I make a task?", "Can I add my own task?"], ["Write a YAML file with a prompt and labels. No code and no training is needed."]),
}
WEIGHTS = {"greet": 7, "who": 6, "can": 5, "thanks": 4, "bye": 4, "newtask": 1, "language": 1}

TIMES = ["today ", "", "", "", "this week ", "yesterday ", "finally, "]
SHAPES = ["{time}{event}, {mood}", "{time}{event}. {mood}", "{time}{event}!", "{time}{event}"]
JOY = ["I am so happy", "it is great", "I feel wonderful", "so excited", "this is amazing", "I love it", "what a day", "I am proud"]
SORROW = ["I am so sad", "I feel terrible", "I want to cry", "it is awful", "I am very upset", "I feel bad", "I hate it", "so tired"]
CHEER = ["That is great! ", "Congratulations! ", "Wonderful! ", "I am so happy for you! "]
COMFORT = ["I am sorry to hear that. ", "That sounds hard. ", "I am here for you. "]
GOOD_TAIL = [" Enjoy this moment!", " You deserve it.", " Keep it up!"]
BAD_TAIL = [" Things will get better.", " Take care of yourself.", " I am here to listen."]
GOOD = [
    ("[I passed my exam|I passed the test|I got an A|I got a good grade|I won a prize]", ["Your hard work paid off."]),
    ("[I got a new job|I got the job|I got promoted|I got a raise|I got an offer]", ["All your work was worth it."]),
    ("[my experiment worked|my project is done|I finished my work|my code works|I fixed the bug|the experiment succeeded|we did it]", ["Solving it must feel great."]),
    ("[we won the game|my team won|I won]", ["Well played."]),
    ("[I met an old friend|I had dinner with my family|my friend visited me|I am in love|I am getting married]", ["Time with people you love is the best."]),
    ("[it is my birthday|I got a gift|I bought a new car|I am on holiday|the weather is nice|I had a good day|I had a great day]", ["What a lovely day."]),
]
BAD = [
    ("[I failed my exam|I failed the test|I got a bad grade]", ["One test does not define you."]),
    ("[I lost my job|I did not get the job|my boss yelled at me|I work too much|I have too much work]", ["Work can be very hard sometimes."]),
    ("[my experiment failed|my code does not work|my project failed|I cannot fix the bug|my computer broke]", ["Take a break and try again."]),
    ("[we lost the game|my team lost|I lost]", ["Next time can be better."]),
    ("[my friend is angry with me|I had a fight with my friend|my girlfriend left me|my boyfriend left me|I am alone|nobody likes me]", ["You are not alone."]),
    ("[I am sick|I cannot sleep|my dog died|my cat died|I lost my phone|I lost my wallet|I had a bad day|I had a terrible day|everything went wrong]", ["It is OK to feel sad."]),
]
GOOD_PLAIN = (["I am happy", "I am so happy", "I feel great", "I feel good", "Today is a great day", "Life is good", "I did it!", "I am excited", "Good news!", "I had a good day", "What a great day"],
              ["That is great! I am happy for you.", "Wonderful! Tell me more about it."])
BAD_PLAIN = (["I am sad", "I am so sad", "I feel bad", "I am tired", "I feel lonely", "I am stressed", "I am upset", "I feel terrible", "I am not happy", "I had a bad day", "My day was terrible", "I want to cry", "I am worried"],
             ["I am sorry to hear that. Do you want to tell me more?", "That sounds hard. I am here to listen.", "I am sorry. Take a deep breath, things will get better."])

FACTS = [
    (["What is libqwen?", "Tell me about libqwen", "What is this project?", "What does libqwen do?"], ["libqwen is an inference engine in C++20. It runs small Qwen models on the CPU."]),
    (["Do you need a GPU?", "Does it need a GPU?", "Does libqwen use a GPU?", "Do I need a GPU?", "What hardware do I need?"], ["No GPU is needed. libqwen runs on the CPU."]),
    (["Do I need Python?", "Does it need Python?", "Does libqwen use Python?"], ["No Python is needed. libqwen is plain C++20."]),
    (["Is it written in C++?", "What language is libqwen written in?"], ["libqwen is written in C++20, from scratch."]),
    (["Does it support INT8?", "What is quantization?", "Does it support 4-bit?", "How do I quantize a model?"], ["It supports INT8 and 4-bit weights. Use qwen-quantize to convert a model."]),
    (["Why is it fast?", "Does it use AVX2?", "Does it use AVX-512?"], ["It uses AVX2 or AVX-512, whichever your CPU has, and integer math."]),
    (["Which models can I use?", "What models does it support?", "Can it load GGUF?", "Can I use a bigger model?"], ["It reads GGUF files and Hugging Face folders of small Qwen models, such as Qwen2.5-0.5B-Instruct."]),
    (["How do I run it?", "How do I start?", "How do I use libqwen?", "Is there a web page?"], ["Use qwen-run on the command line, or qwen-serve for a web page."]),
    (["Can one model do many tasks?", "What tasks are there?"], ["Yes. One model does many tasks: only the prompt changes."]),
]

UNKNOWN_ANY = ["Sorry, I do not know. I am only a tiny demo model. Please use a larger Qwen model for this."]
UNKNOWN = [
    (5, ["What is the capital of {land}?", "Where is {land}?", "Where is {city}?", "How many people live in {city}?", "What is the population of {land}?", "Who is {person}?", "When was {person} born?", "Who was {person}?", "What language do they speak in {land}?",
         "Who is the president of {land}?", "What is the [highest mountain|longest river|largest ocean|biggest city]?", "How far is the [moon|sun]?", "Who invented the [telephone|light bulb|computer|car]?", "How long do [cats|dogs|elephants] live?"],
     ["Sorry, I do not know facts like this. I am only a tiny demo model."]),
    (4, ["What is {n} plus {m}?", "What is {n} [+|-|*|x|/] {m}?", "{n} [+|-|*|/] {m}", "{n}+{m}=?", "Calculate {n} times {m}", "How much is {n} minus {m}?", "Is {n} a prime number?", "What is the square root of {n}?"],
     ["Sorry, I cannot do math. I am only a tiny demo model."]),
    (4, ["Write a {code} [program|function|script]", "How do I learn {code}?", "Write code to [sort a list|print hello|add two numbers]", "Fix this code", "What is {code}?", "How do I sort a list in {code}?"], ["Sorry, I cannot write code. I am only a tiny demo model."]),
    (3, ["Write a [poem|story|song|letter|essay|joke book]", "Write a poem about [love|spring|the sea|my cat]", "Tell me a story", "Translate this", "Translate hello into [Chinese|French]", "How do you say [cat|love|water] in Chinese?"], ["Sorry, I cannot write or translate. I am only a tiny demo model."]),
    (3, ["What is the weather [today|like|tomorrow|in {city}]?", "What time is it?", "What day is it?", "What is the date today?", "What is the news?", "Will it rain [today|tomorrow]?"], ["Sorry, I cannot see the time, the weather or the news."]),
    (3, ["What is {idea}?", "Explain {idea}", "How does {idea} work?", "Why is the sky blue?", "How do I cook {dish}?", "How do I make {dish}?", "How can I lose weight?", "Recommend a [book|movie|song]", "What should I [eat|buy|read|watch]?", "How do I get to {city}?"],
     ["Sorry, I do not know. I am only a tiny demo model."]),
]

FOLLOW = {
    "bad": [(["What should I do?", "I don't know what to do", "I am still sad", "It will not get better"], ["Take it step by step. I believe in you.", "It takes time. Talk to someone you trust."]),
            (["Thank you", "Thanks", "I feel better", "You are right"], ["I am glad to hear that. Take care!"])],
    "good": [(["Thank you", "Thanks!", "I am so excited", "I will celebrate"], ["Enjoy it, you deserve it!"])],
    "unknown": [(["So what can you do?", "What do you know then?", "Why not?", "You don't know?"], ["I am very small. I can tell if a text is positive or negative, and chat a little."])],
    "greet": [(["I am fine", "Good", "Fine, thanks", "I am good"], ["That is good to hear! Did anything nice happen today?"]), (["Not good", "Not so good", "Bad"], ["I am sorry to hear that. Do you want to tell me more?"])],
}

REVIEW_THINGS = [("[this|the] [movie|film|book|show|game]", "any"), ("[this|the] [hotel|room]", "any"), ("[this|the] [food|pizza|restaurant|meal]", "any"), ("[this|the|my new] [phone|laptop|tablet|camera]", "any"),
                 ("[this|the] [product|shampoo|shirt|dress|app|service]", "any")]
REVIEW_GOOD = {"any": ["{thing} is [great|wonderful|amazing|excellent|very good|perfect|fantastic]", "I love {thing}", "I really like {thing}", "{thing} was [great|excellent|awesome|so good]", "{thing} works very well", "I am very happy with {thing}", "highly recommend {thing}",
                       "best ever, {thing} is good", "[good|great|nice] quality, I like {thing}", "very satisfied with {thing}", "{thing} is worth the money", "I enjoyed {thing} very much"]}
REVIEW_BAD = {"any": ["{thing} is [bad|terrible|awful|horrible|very bad|boring|dirty|useless]", "I hate {thing}", "I don't like {thing}", "{thing} was [terrible|awful|so bad|a waste of money|a waste of time]", "{thing} broke after two days", "I am very disappointed with {thing}",
                      "do not buy {thing}", "worst ever, {thing} is bad", "[bad|poor|terrible] quality, I want a refund for {thing}", "{thing} does not work", "not happy with {thing}", "{thing} is not good"]}
REVIEW_REPLY_GOOD = ["I am glad that you like it! Thank you for sharing.", "That is great to hear! Enjoy it."]
REVIEW_REPLY_BAD = ["I am sorry that it let you down. I hope it goes better next time.", "I am sorry to hear that. You may ask the seller for help."]
