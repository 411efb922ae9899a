using System.Text.Json;

namespace Moe.Training;

/// <summary>Where a training stands, apart from tensors: place, running sums, history, and the settings it must agree with.</summary>
internal sealed class TrainingProgress
{
    private static readonly JsonSerializerOptions Json = new()
    {
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new RoutingReportConverter() },
    };

    /// <summary>The epoch under way.</summary>
    public int Epoch { get; set; }

    /// <summary>Steps done in it.</summary>
    public long StepInEpoch { get; set; }

    /// <summary>Steps done in all.</summary>
    public long Step { get; set; }

    /// <summary>What the epoch under way has added up so far.</summary>
    public EpochSums Sums { get; set; } = new();

    public List<EpochReport> History { get; set; } = [];

    public int? BestEpoch { get; set; }

    public double? BestValue { get; set; }

    public bool StoppedEarly { get; set; }

    public double ElapsedSeconds { get; set; }

    /// <summary>What decides which batch comes when; it must not change between runs.</summary>
    public Dictionary<string, string> Settings { get; set; } = [];

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <exception cref="InvalidDataException">It is not what <see cref="ToJson"/> writes.</exception>
    public static TrainingProgress FromJson(string json)
    {
        try
        {
            return JsonSerializer.Deserialize<TrainingProgress>(json, Json) ?? throw new JsonException("It is null.");
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException)
        {
            throw new InvalidDataException($"The checkpoint's progress cannot be read: {exception.Message}", exception);
        }
    }
}
